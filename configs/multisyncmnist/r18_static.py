# Static: learned regions that do not depend on the clip.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
                regions=dict(type='StaticRegions', hidden_channels=32),
            )
        ]
    )
)
