# RSTG to-vec for an hour on one core: three digits of three classes, six frames, any steps, nodes of 2 x 2 + 1 cells.
# Frozen backbone: the first half of multisyncmnist/reduced/r18_dyreg-motion-stays.py,
# see docs/research/rstg.md.
_base_ = ['../../multisyncmnist/_base_/r18_quarter.py', '../_base_/syncmnist.py', '../_base_/schedule.py']

pipeline = [dict(type='FormatShape', input_format='NCTHW'), dict(type='PackActionInputs')]
digits = dict(
    num_digits=3,
    digit_classes=(0, 1, 7),
    none_prob=0,
    num_frames=6,
    max_step=100,
    canvas_size=128,
    overlap='max',  # with 'front', the occluding digit, which is never synchronous, reveals the other two
    pipeline=pipeline,
)
train_dataloader = dict(batch_size=32, num_workers=0, persistent_workers=False, dataset=digits)
val_dataloader = dict(batch_size=50, num_workers=0, persistent_workers=False, dataset=digits)
test_dataloader = val_dataloader

model = dict(
    backbone=dict(
        num_stages=2,
        spatial_strides=(1, 2),
        temporal_strides=(1, 1),
        dilations=(1, 1),
        out_indices=(1,),
        inflate=(0, 0),
        frozen_stages=2,
        norm_eval=True,
    ),
    cls_head=dict(
        type='RSTGToVec',
        num_classes=46,
        in_channels=32,
        feature_size=8,
        num_nodes=5,
        node_channels=48,
        regions=dict(type='FixedRegions', grids=[(2, 2), (1, 1)]),
        graph=dict(type='MultiScaleGraph', attention='simple', norm='BN'),
        dropout_ratio=0,
        average_clips='score',
    ),
)

train_cfg = dict(max_epochs=1)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = []
