# RSTG to-vec, All-temp-stages: a time stage before each of three space stages, and a final one.
_base_ = [
    './_base_/syncmnist.py',
    './_base_/conv_net.py',
    './_base_/schedule.py',
]

model = dict(
    cls_head=dict(
        type='RSTGToVec',
        num_classes=46,
        in_channels=512,
        feature_size=6,
        num_segments=10,
        graph=dict(type='MultiScaleGraph', attention='simple', norm='BN'),
        dropout_ratio=0,
        average_clips='score',
    )
)
