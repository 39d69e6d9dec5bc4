# DyReg-GNN with standardized z, W = 0 at the start and a fixed size, and four nodes.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                num_nodes=4,
                node_channels=32,
                regions=dict(
                    type='DynamicRegions',
                    hidden_channels=32,
                    standardize=True,
                    zero_init='weight',
                    predict_size=False,
                    half_size=0.25,
                ),
            )
        ]
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
