# C2D-R50 + RSTG to-map in stage 4 on V1, after its second to last block.
_base_ = './c2d_r50_sthv1.py'

model = dict(
    backbone=dict(
        type='DyRegC2D',
        plugins=[dict(type='RSTG', after='layer3.4', graph=dict(type='MultiScaleGraph', norm='LN'))],
    )
)
