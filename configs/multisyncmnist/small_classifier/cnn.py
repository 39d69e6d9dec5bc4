# The small task with an auxiliary classifier of the nodes, which trains regions by the class label. The plugin is the
# paper's, with two nodes; the configs of this folder differ in the source of the regions.
_base_ = '../small/cnn.py'

model = dict(
    type='RegionRecognizer2D',
    node_classifier=dict(weight=1.0),
    neck=dict(
        type='RegionNeck',
        in_channels=32,
        feature_size=8,
        num_segments=4,
        plugin=dict(type='DyRegGNN', num_nodes=2),
    ),
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = [*val_evaluator, dict(type='RegionProbe')]
custom_hooks = [dict(type='AttachRegionsHook')]
