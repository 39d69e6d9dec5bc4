# The digits' boxes as regions, without writing the nodes back.
_base_ = './nodes_dyreg.py'

model = dict(type='RegionRecognizer2D', cls_head=dict(regions=dict(_delete_=True, type='BoxRegions')))

pipeline = [
    dict(type='LoadBoxes', num_boxes=2),
    dict(type='LoadObjects'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('boxes', 'objects')),
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
