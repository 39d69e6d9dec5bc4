# TSM-R50 + one DyReg-GNN in stage 5.
_base_ = './tsm_r50_sthv2.py'

model = dict(
    backbone=dict(
        type='DyRegResNetTSM',
        plugins=[dict(type='DyRegGNN', after='layer4.1.conv2.conv')],
    )
)
