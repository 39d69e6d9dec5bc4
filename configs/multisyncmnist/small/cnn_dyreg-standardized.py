# DyReg-GNN with standardized z, W = 0 at the start and a fixed size; the head can ignore the nodes.
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
            regions=dict(
                type='DynamicRegions',
                hidden_channels=32,
                standardize=True,
                zero_init='weight',
                predict_size=False,
                half_size=0.2,
            ),
        ),
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
