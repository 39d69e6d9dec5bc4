# TSM-R18 + DyReg-GNN on MiniSomething, for two CPU cores.
_base_ = ['mmaction::_base_/models/tsm_r50.py', 'mmaction::_base_/default_runtime.py']
custom_imports = dict(imports=['dyreg_mmaction'], allow_failed_imports=False)
data_root = 'data/mini_something'

model = dict(
    backbone=dict(
        type='DyRegResNetTSM',
        depth=18,
        pretrained=None,
        num_segments=8,
        input_size=64,
        channels_last=True,
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer1.1.conv2.conv',
                regions=dict(type='DynamicRegions', hidden_channels=64, reference='grid'),
            )
        ],
    ),
    cls_head=dict(num_segments=8, num_classes=8, in_channels=512, dropout_ratio=0.2, init_std=0.01),
)

decoder = 'decord'  # or 'pyav', 'torchcodec'
# no flips, because they swap left and right
train_pipeline = [
    dict(type='VideoInit', decoder=decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 72)),
    dict(type='LimitSides', short_side=72, long_side=80),
    dict(type='RandomCrop', size=64),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]
val_pipeline = [
    dict(type='VideoInit', decoder=decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, test_mode=True),
    dict(type='VideoDecode'),
    dict(type='LoadObjects', ann_file=f'{data_root}/bounding_box_annotations.json'),
    dict(
        type='WithBoxes',
        transforms=[dict(type='Resize', scale=(-1, 72)), dict(type='CenterCrop', crop_size=64)],
    ),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('objects', 'acting')),
]
# 3 crops x 2 clips
test_pipeline = [
    dict(type='VideoInit', decoder=decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, twice_sample=True, test_mode=True),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 72)),
    dict(type='LimitSides', short_side=64, long_side=80),
    dict(type='ThreeCrop', crop_size=64),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='MiniSomething', data_root=data_root, split='train', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='MiniSomething', data_root=data_root, split='val', pipeline=val_pipeline, test_mode=True),
)
test_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='MiniSomething', data_root=data_root, split='val', pipeline=test_pipeline, test_mode=True),
)
# distance between regions and objects, before and after training
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance')]
custom_hooks = [
    dict(type='AttachRegionsHook'),
    dict(type='ValidateAtStartHook'),
    dict(type='WatchRegionsHook', interval=5),
]
test_evaluator = dict(type='AccMetric')

epochs = 6
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0,
        bias_decay_mult=0,
        # parameters that start at zero need a higher rate, because there are few steps
        custom_keys={'predictor.alpha': dict(lr_mult=5), 'conv2-conv.norm.weight': dict(lr_mult=10, decay_mult=0)},
    ),
    clip_grad=dict(max_norm=20),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, end=epochs, T_max=epochs - 0.5, convert_to_iter_based=True),
]
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2), logger=dict(interval=5))
randomness = dict(seed=0)
