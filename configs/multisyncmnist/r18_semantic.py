# Semantic: an attention map over all positions for each node, without localization.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
                regions=dict(type='SemanticMaps'),
            )
        ]
    )
)
