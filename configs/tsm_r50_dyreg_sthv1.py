# TSM-R50 + DyReg-GNN in stages 3, 4 and 5 on V1.
_base_ = './tsm_r50_sthv1.py'

model = dict(
    backbone=dict(
        type='DyRegResNetTSM',
        plugins=[
            dict(type='DyRegGNN', after='layer2.2.conv2.conv'),
            dict(type='DyRegGNN', after='layer3.4.conv2.conv'),
            dict(type='DyRegGNN', after='layer4.1.conv2.conv'),
        ],
    )
)
