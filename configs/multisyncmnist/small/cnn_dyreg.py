# DyReg-GNN that learns regions from the class label: standardized z, W = 0, a fixed size, half of the training clips
# get the nodes only, and the position embedding does not train the regions.
_base_ = ['./cnn.py', '../../_base_/class_label.py']

model = dict(
    neck=dict(
        type='RegionNeck',
        in_channels=32,
        feature_size=8,
        num_segments=4,
        plugin=dict(
            type='DyRegGNN',
            num_nodes=2,
            residual_scale=1.0,
            skip_dropout=0.5,
            **_base_.pop('label_plugin'),
            regions=dict(hidden_channels=32, **_base_.pop('label_regions')),
        ),
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
