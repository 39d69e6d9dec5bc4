# GNN + Fixed in stage 4: nodes are averages over the cells of a 3 x 3 grid.
_base_ = './tsm_r50_sthv2.py'

model = dict(
    backbone=dict(
        type='DyRegResNetTSM',
        plugins=[
            dict(type='DyRegGNN', after='layer3.4.conv2.conv', kernel='area', regions=dict(type='FixedRegions')),
        ],
    )
)
