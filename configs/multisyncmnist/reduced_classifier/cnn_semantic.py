# Semantic: an attention map over all positions for each node, without localization.
_base_ = './cnn.py'

model = dict(neck=dict(plugin=dict(regions=dict(type='SemanticMaps'))))
