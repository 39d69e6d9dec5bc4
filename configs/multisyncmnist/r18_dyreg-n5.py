# DyReg-GNN with 5 nodes.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
                num_nodes=5,
                regions=dict(type='DynamicRegions', hidden_channels=32),
            )
        ]
    )
)
