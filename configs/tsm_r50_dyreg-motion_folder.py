# Your own videos: TSM-R50 with one module, 8 frames of 224 pixels, from a checkpoint of MMAction2's TSM or ImageNet.
_base_ = ['mmaction::_base_/models/tsm_r50.py', './_base_/folder.py']

model = dict(
    type='RegionRecognizer2D',
    region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4)],
    backbone=dict(
        type='DyRegResNetTSM',
        num_segments=8,
        channels_last=True,
        plugins=[dict(type='DyRegGNN', after='layer3.4.conv2.conv')],
    ),
    cls_head=dict(num_segments=8, num_classes=2),
)

decoder = 'decord'  # or 'pyav', 'torchcodec'
flip_ratio = 0.5
train_pipeline = [
    dict(type='VideoInit', decoder=decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='MultiScaleCrop', input_size=224, scales=(1, 0.875, 0.75, 0.66), max_wh_scale_gap=1, num_fixed_crops=13),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Flip', flip_ratio=flip_ratio),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]
val_pipeline = [
    dict(type='VideoInit', decoder=decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, test_mode=True),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]
# 3 crops x 2 clips
test_pipeline = [
    dict(type='VideoInit', decoder=decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, twice_sample=True, test_mode=True),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='ThreeCrop', crop_size=256),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', meta_keys=('filename',)),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0,
        bias_decay_mult=0,
        # new parameters have a higher learning rate
        custom_keys={
            'cls_head': dict(lr_mult=10),
            'plugins': dict(lr_mult=10),
            'conv2-conv.norm.weight': dict(lr_mult=10, decay_mult=0),
        },
    ),
    clip_grad=dict(max_norm=20),
)
