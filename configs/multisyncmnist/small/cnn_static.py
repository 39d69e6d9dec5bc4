# Static: learned regions, the same for all clips.
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
            residual_scale=1.0,
            skip_dropout=0.5,
            regions=dict(type='StaticRegions', hidden_channels=32, reference='grid', predict_size=False, half_size=0.2),
        ),
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
