# DyReg-GNN after the first stage, two thirds of the blocks, on maps of 16 x 16: trained by the class loss only.
_base_ = './swin.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layers.0.blocks.3',
                node_channels=32,
                regions=dict(type='DynamicRegions', hidden_channels=32, reference='grid'),
            )
        ]
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance')]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
