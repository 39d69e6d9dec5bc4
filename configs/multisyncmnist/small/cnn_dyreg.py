# DyReg-GNN that learns regions from the class label: standardized z, W = 0, a fixed size, half of the training clips
# get the nodes only, and only what nodes see trains their regions.
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
            position_gradient=False,
            regions=dict(
                type='DynamicRegions',
                hidden_channels=32,
                standardize=True,
                zero_init='weight',
                feature_norm='batch',
                recurrent=False,
                predict_size=False,
                half_size=0.2,
            ),
        ),
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
