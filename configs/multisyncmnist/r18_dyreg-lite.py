# DyReg-GNN-Lite: masked global pooling instead of f and its fully connected layers.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
                regions=dict(type='DynamicRegions', hidden_channels=32, heads='pool'),
            )
        ]
    )
)
