# Oracle: the digits' boxes as regions.
_base_ = './cnn.py'

model = dict(
    type='RegionRecognizer2D',
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
            regions=dict(type='BoxRegions'),
        ),
    ),
)
val_evaluator = [dict(type='AccMetric'), dict(type='ObjectDistance', other=True)]
test_evaluator = val_evaluator
custom_hooks = [dict(type='AttachRegionsHook')]

pipeline = [
    dict(type='LoadBoxes', num_boxes=2),
    dict(type='LoadObjects'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('boxes', 'objects')),
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
