# Fixed: averages over the cells of a 3 x 3 grid.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer1.1',
                node_channels=32,
                kernel='area',
                regions=dict(type='FixedRegions'),
            )
        ]
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance')]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
