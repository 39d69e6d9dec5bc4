# C2D-R50 + RSTG to-vec on V1: the sum of the graph's nodes is classified.
_base_ = './c2d_r50_sthv1.py'

model = dict(
    cls_head=dict(
        _delete_=True,
        type='RSTGToVec',
        num_classes=174,
        in_channels=2048,
        feature_size=7,
        graph=dict(type='MultiScaleGraph', norm='LN'),
        dropout_ratio=0.3,
        average_clips='score',
    )
)
