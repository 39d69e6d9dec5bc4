# GNN + Detector in stages 3, 4 and 5: nodes are the 9 best boxes of an object detector, tracked over frames.
_base_ = './tsm_r50_sthv2.py'

# made by tools/data/extract_boxes.py, one file per video. For another folder or one file: --cfg-options boxes_root=PATH
boxes_root = 'data/sthv2/boxes'

model = dict(
    type='RegionRecognizer2D',
    backbone=dict(
        type='DyRegResNetTSM',
        plugins=[
            dict(type='DyRegGNN', after='layer2.2.conv2.conv', regions=dict(type='BoxRegions')),
            dict(type='DyRegGNN', after='layer3.4.conv2.conv', regions=dict(type='BoxRegions')),
            dict(type='DyRegGNN', after='layer4.1.conv2.conv', regions=dict(type='BoxRegions')),
        ],
    ),
)

train_pipeline = [
    dict(type='VideoInit', decoder=_base_.decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=16),
    dict(type='VideoDecode'),
    dict(type='LoadBoxes', ann_file=boxes_root),
    dict(
        type='WithBoxes',
        transforms=[
            dict(type='Resize', scale=(-1, 256)),
            dict(
                type='MultiScaleCrop',
                input_size=224,
                scales=(1, 0.875, 0.75, 0.66),
                random_crop=False,
                max_wh_scale_gap=1,
                num_fixed_crops=13,
            ),
            dict(type='Resize', scale=(224, 224), keep_ratio=False),
            dict(type='Flip', flip_ratio=_base_.flip_ratio, flip_label_map=_base_.flip_label_map),
        ],
    ),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('boxes',)),
]
val_pipeline = [
    dict(type='VideoInit', decoder=_base_.decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=16, test_mode=True),
    dict(type='VideoDecode'),
    dict(type='LoadBoxes', ann_file=boxes_root),
    dict(
        type='WithBoxes',
        transforms=[dict(type='Resize', scale=(-1, 256)), dict(type='CenterCrop', crop_size=224)],
    ),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('boxes',)),
]
test_pipeline = [
    dict(type='VideoInit', decoder=_base_.decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=16, twice_sample=True, test_mode=True),
    dict(type='VideoDecode'),
    dict(type='LoadBoxes', ann_file=boxes_root),
    dict(
        type='WithBoxes',
        transforms=[dict(type='Resize', scale=(-1, 256)), dict(type='ThreeCrop', crop_size=256)],
    ),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('boxes',)),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
