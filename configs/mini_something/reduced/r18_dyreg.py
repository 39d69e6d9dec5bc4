# DyReg-GNN after stage 1, on maps of 16 x 16: regions predicted from each frame, trained by the class loss only.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer1.1',
                node_channels=32,
                regions=dict(type='DynamicRegions', hidden_channels=32, reference='grid'),
            )
        ]
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance')]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
