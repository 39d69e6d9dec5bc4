# Four Non-Local blocks instead of DyReg-GNN, with about as many parameters.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(type='DyRegNonLocal', after='layer2.1', num_blocks=4, reduction=1, sub_sample=True),
        ]
    )
)
