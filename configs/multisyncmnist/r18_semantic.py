# Semantic: an attention map over all positions for each node, no localisation.
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
