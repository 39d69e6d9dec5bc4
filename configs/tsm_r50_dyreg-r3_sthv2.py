# TSM-R50 + one DyReg-GNN in stage 3.
_base_ = './tsm_r50_sthv2.py'

model = dict(
    backbone=dict(
        type='DyRegResNetTSM',
        plugins=[dict(type='DyRegGNN', after='layer2.2.conv2.conv')],
    )
)
