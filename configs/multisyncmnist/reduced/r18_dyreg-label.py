# DyReg-GNN with the options for training by the class label alone, see docs/research/class_label.md.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
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
            )
        ]
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
