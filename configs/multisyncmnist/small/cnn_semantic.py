# Semantic: an attention map over all positions for each node, without localization.
_base_ = './cnn.py'

model = dict(
    neck=dict(
        type='RegionNeck',
        in_channels=32,
        feature_size=8,
        num_segments=4,
        plugin=dict(
            type='DyRegGNN', num_nodes=2, residual_scale=1.0, skip_dropout=0.5, regions=dict(type='SemanticMaps')
        ),
    )
)
