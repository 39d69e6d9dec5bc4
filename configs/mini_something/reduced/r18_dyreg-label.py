# DyReg-GNN with the options for training by the class label alone, see docs/research/class_label.md.
_base_ = ['./r18.py', '../../_base_/class_label.py']

model = dict(
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer1.1',
                node_channels=32,
                **_base_.pop('label_plugin'),
                regions=dict(hidden_channels=32, reference='grid', **_base_.pop('label_regions')),
            )
        ]
    )
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance')]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
