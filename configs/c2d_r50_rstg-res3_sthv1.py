# C2D-R50 + RSTG to-map in stage 3 on V1, after its second to last block.
_base_ = './c2d_r50_sthv1.py'

model = dict(
    backbone=dict(
        type='DyRegC2D',
        plugins=[dict(type='RSTG', after='layer2.2', graph=dict(type='MultiScaleGraph', norm='LN'))],
    )
)
