# A comparison in some hours on one core: two digits of three classes, in sync or not, six frames of 64 x 64, a
# ResNet-18 with a quarter of the width.
_base_ = [
    'mmaction::_base_/default_runtime.py',
    '../_base_/r18_quarter.py',
    '../_base_/multisyncmnist.py',
    '../_base_/schedule.py',
]

pipeline = [
    dict(type='LoadObjects'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', algorithm_keys=('objects',)),
]
digits = dict(
    num_digits=2,
    digit_classes=(0, 1, 7),
    none_prob=0.5,
    num_frames=6,
    max_step=20,
    max_sync_dist=None,
    canvas_size=128,
    frame_size=64,
    pipeline=pipeline,
)
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=digits)
val_dataloader = dict(batch_size=50, num_workers=0, persistent_workers=False, dataset=digits)
test_dataloader = val_dataloader

model = dict(
    backbone=dict(type='DyRegResNet3d', input_size=64),
    cls_head=dict(type='I3DHead', num_classes=56, in_channels=64, dropout_ratio=0, average_clips='score'),
)

train_cfg = dict(max_epochs=1)
optim_wrapper = dict(_delete_=True, optimizer=dict(type='AdamW', lr=1e-3), clip_grad=dict(max_norm=5))
param_scheduler = []
