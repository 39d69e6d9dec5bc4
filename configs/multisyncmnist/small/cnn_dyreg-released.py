# DyReg-GNN in the released form.
_base_ = './cnn.py'

model = dict(
    neck=dict(
        type='RegionNeck',
        in_channels=32,
        feature_size=8,
        num_segments=4,
        plugin=dict(
            type='DyRegGNN',
            num_nodes=2,
            regions=dict(type='DynamicRegions', hidden_channels=32),
        ),
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
