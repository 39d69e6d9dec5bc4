# As cnn_dyreg, but the head classifies the sum of the nodes instead of a map to which they are written back, so that
# narrow and wide nodes have equal weight.
_base_ = ['./cnn.py', '../../_base_/class_label.py']
_base_.pop('label_plugin')

model = dict(
    cls_head=dict(
        _delete_=True,
        type='RSTGToVec',
        num_classes=56,
        in_channels=32,
        feature_size=8,
        num_segments=4,
        num_nodes=2,
        node_channels=32,
        kernel='tent',
        position=True,
        position_gradient=False,
        readout='mean',
        graph=dict(type='SpaceTimeGraph'),
        regions=dict(hidden_channels=32, **_base_.pop('label_regions')),
        dropout_ratio=0,
        average_clips='score',
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
