# C2D-R50 + RSTG to-map in stages 3 and 4 on V1, after their second to last blocks.
_base_ = './c2d_r50_sthv1.py'

model = dict(
    backbone=dict(
        type='DyRegC2D',
        plugins=[
            dict(type='RSTG', after='layer2.2', graph=dict(type='MultiScaleGraph', norm='LN')),
            dict(type='RSTG', after='layer3.4', graph=dict(type='MultiScaleGraph', norm='LN')),
        ],
    )
)
