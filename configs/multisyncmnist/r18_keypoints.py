# Keypoints: regions of fixed size around the soft-argmax of a heat map.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
                regions=dict(type='KeypointRegions'),
            )
        ]
    )
)
