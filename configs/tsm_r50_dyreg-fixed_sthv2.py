# GNN + Fixed in stages 3, 4 and 5: nodes are averages over the cells of a 3 x 3 grid.
_base_ = './tsm_r50_sthv2.py'

model = dict(
    backbone=dict(
        type='DyRegResNetTSM',
        plugins=[
            dict(type='DyRegGNN', after='layer2.2.conv2.conv', kernel='area', regions=dict(type='FixedRegions')),
            dict(type='DyRegGNN', after='layer3.4.conv2.conv', kernel='area', regions=dict(type='FixedRegions')),
            dict(type='DyRegGNN', after='layer4.1.conv2.conv', kernel='area', regions=dict(type='FixedRegions')),
        ],
    )
)
