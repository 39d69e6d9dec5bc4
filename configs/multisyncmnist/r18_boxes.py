# Oracle: one node per digit, at the digit's box; the other nodes cover the whole frame.
_base_ = './r18.py'

model = dict(
    type='RegionRecognizer2D',
    backbone=dict(
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1',
                node_channels=32,
                regions=dict(type='BoxRegions'),
            )
        ]
    ),
)

pipeline = [
    dict(type='LoadBoxes'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('boxes',)),
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
