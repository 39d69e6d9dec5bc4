# DyReg-GNN with the options for training by the class label alone, and an auxiliary classifier of its three nodes. The
# module follows the pooling of the stem, whose cells see 9 x 9 pixels, so that regions must be near a digit to see it.
_base_ = ['./r18.py', '../../_base_/class_label.py']

model = dict(
    type='RegionRecognizer3D',
    node_classifier=dict(weight=1.0),
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='maxpool',
                num_nodes=3,
                node_channels=32,
                residual_scale=1.0,
                **_base_.pop('label_plugin'),
                regions=dict(hidden_channels=32, **{**_base_.pop('label_regions'), 'half_size': 0.14}),
            )
        ]
    ),
    data_preprocessor=dict(mean=[25], std=[75]),
)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=1, end=1, by_epoch=True, convert_to_iter_based=True)]
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]
