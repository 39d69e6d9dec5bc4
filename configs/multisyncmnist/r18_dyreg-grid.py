# Regions start on a 3 x 3 grid instead of the center.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
                regions=dict(type='DynamicRegions', hidden_channels=32, reference='grid'),
            )
        ]
    )
)
