# Minutes on one core: do two digits of two classes move in the same direction? Four frames of 32 x 32; a CNN of two
# blocks that sees each frame separately, and a linear head. The other configs of this folder add two nodes.
_base_ = ['mmaction::_base_/default_runtime.py', '../_base_/schedule.py']
custom_imports = dict(imports=['dyreg_mmaction'], allow_failed_imports=False)

pipeline = [
    dict(type='LoadObjects'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('objects',)),
]
digits = dict(
    type='MultiSyncMNIST',
    num_digits=2,
    digit_classes=(0, 1),
    none_prob=0.25,
    num_frames=4,
    walk='straight',
    max_step=16,
    max_sync_dist=None,
    canvas_size=90,
    frame_size=32,
    data_root=None,  # folder with MNIST's IDX files; None: the digits of scikit-learn
    pipeline=pipeline,
)
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(split='train', **digits),
)
val_dataloader = dict(
    batch_size=100,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(split='test', **digits),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator

model = dict(
    type='Recognizer2D',
    backbone=dict(type='DyRegConvNet', channels=(16, 32), padding=1, norm_cfg=dict(type='BN')),
    cls_head=dict(type='TSNHead', num_classes=56, in_channels=32, dropout_ratio=0, average_clips='score'),
    data_preprocessor=dict(type='ActionDataPreprocessor', mean=[25], std=[75], format_shape='NCHW'),
)

train_cfg = dict(max_epochs=1)
optim_wrapper = dict(_delete_=True, optimizer=dict(type='AdamW', lr=2e-3), clip_grad=dict(max_norm=5))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=1, end=1, by_epoch=True, convert_to_iter_based=True)]
