# Position-Only with a half size of H/11.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
                regions=dict(type='DynamicRegions', hidden_channels=32, predict_size=False, half_size=1 / 11),
            )
        ]
    )
)
