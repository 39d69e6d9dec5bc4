# Effect of region losses on little data, in minutes on one core: a ResNet3d-18 with a quarter of the width, 8 frames of
# 64 x 64. The other configs of this folder add a module, and some also a region loss.
_base_ = ['mmaction::_base_/default_runtime.py', '../../multisyncmnist/_base_/r18_quarter.py']
data_root = 'data/mini_something'

model = dict(
    backbone=dict(type='DyRegResNet3d', in_channels=3, inflate=(1, 1, 1), input_size=64),
    cls_head=dict(type='I3DHead', num_classes=8, in_channels=64, dropout_ratio=0.2, average_clips='score'),
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
)

decoder = 'decord'
load = [dict(type='VideoDecode'), dict(type='LoadObjects', ann_file=f'{data_root}/bounding_box_annotations.json')]
pack = [
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', algorithm_keys=('objects', 'acting')),
]
# no flips, because they swap left and right
train_pipeline = [
    dict(type='VideoInit', decoder=decoder),
    dict(type='UniformSample', clip_len=8),
    *load,
    dict(
        type='WithBoxes',
        transforms=[
            dict(type='Resize', scale=(-1, 72)),
            dict(type='LimitSides', short_side=72, long_side=80),
            dict(type='RandomCrop', size=64),
        ],
    ),
    *pack,
]
val_pipeline = [
    dict(type='VideoInit', decoder=decoder),
    dict(type='UniformSample', clip_len=8, test_mode=True),
    *load,
    dict(
        type='WithBoxes',
        transforms=[dict(type='Resize', scale=(-1, 72)), dict(type='CenterCrop', crop_size=64)],
    ),
    *pack,
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='MiniSomething', data_root=data_root, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='MiniSomething', data_root=data_root, split='val', pipeline=val_pipeline, test_mode=True),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='AccMetric')]
test_evaluator = val_evaluator

epochs = 12
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, custom_keys={'predictor.alpha': dict(lr_mult=5)}),
    clip_grad=dict(max_norm=20),
)
param_scheduler = [dict(type='CosineAnnealingLR', T_max=epochs, end=epochs, convert_to_iter_based=True)]
