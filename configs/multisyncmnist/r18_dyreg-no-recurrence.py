# No recurrence: the regions of each frame are predicted independently.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
                regions=dict(type='DynamicRegions', hidden_channels=32, recurrent=False),
            )
        ]
    )
)
