# TSM-R18 + DyReg-GNN in stages 3, 4 and 5 on V1, in the second to last block of each, as in R50.
_base_ = './tsm_r18_sthv1.py'

model = dict(
    backbone=dict(
        type='DyRegResNetTSM',
        plugins=[
            dict(type='DyRegGNN', after='layer2.0.conv2.conv'),
            dict(type='DyRegGNN', after='layer3.0.conv2.conv'),
            dict(type='DyRegGNN', after='layer4.0.conv2.conv'),
        ],
    )
)
