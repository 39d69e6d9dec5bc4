# ConvLSTM instead of DyReg-GNN, with as many parameters; its encoder halves height and width.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(type='DyRegConvLSTM', after='layer2.1', hidden_channels=94, stride=2),
        ]
    )
)
