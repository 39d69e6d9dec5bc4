# Fixed on a 3 x 3 grid, with the initial tents of DyReg-GNN.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer1.1',
                node_channels=32,
                regions=dict(type='FixedRegions', half_size=1 / 6 + 2 / 16),
            )
        ]
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance')]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
