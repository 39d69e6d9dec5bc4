# ConvLSTM in place of DyReg-GNN, with as many parameters.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(type='ConvLSTM', after='layer2.1', hidden_channels=94),
        ]
    )
)
