# Oracle: the digits' boxes as regions.
_base_ = './cnn.py'

model = dict(neck=dict(plugin=dict(regions=dict(type='BoxRegions'))))

pipeline = [
    dict(type='LoadBoxes', num_boxes=4),
    dict(type='LoadObjects'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('boxes', 'objects')),
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
