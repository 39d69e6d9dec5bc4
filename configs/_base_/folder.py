# Your own videos, as listed by tools/train_folder.py: a path and a label per line, separated by a tab.
# A clip has 8 frames of 224 pixels.
_base_ = ['mmaction::_base_/models/tsm_r50.py', 'mmaction::_base_/default_runtime.py']
custom_imports = dict(imports=['dyreg_mmaction'], allow_failed_imports=False)
data_root = 'data/my_videos'
lists = 'data/my_videos_dyreg'
decoder = 'decord'  # or 'pyav', 'torchcodec'
flip_ratio = 0.5

model = dict(
    type='RegionRecognizer2D',
    region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4)],
    backbone=dict(type='DyRegResNetTSM', num_segments=8, channels_last=True),
    cls_head=dict(num_segments=8, num_classes=2),
)

dataset = dict(
    type='VideoDataset',
    data_prefix=dict(video=data_root),
    delimiter='\t',
    metainfo=dict(classes=f'{lists}/classes.txt'),
)
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        ann_file=f'{lists}/train.txt',
        pipeline=[
            dict(type='VideoInit', decoder=decoder),
            dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8),
            dict(type='VideoDecode'),
            dict(type='Resize', scale=(-1, 256)),
            dict(
                type='MultiScaleCrop',
                input_size=224,
                scales=(1, 0.875, 0.75, 0.66),
                max_wh_scale_gap=1,
                num_fixed_crops=13,
            ),
            dict(type='Resize', scale=(224, 224), keep_ratio=False),
            dict(type='Flip', flip_ratio=flip_ratio),
            dict(type='FormatShape', input_format='NCHW'),
            dict(type='PackActionInputs'),
        ],
        **dataset,
    ),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        ann_file=f'{lists}/val.txt',
        test_mode=True,
        pipeline=[
            dict(type='VideoInit', decoder=decoder),
            dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, test_mode=True),
            dict(type='VideoDecode'),
            dict(type='Resize', scale=(-1, 256)),
            dict(type='CenterCrop', crop_size=224),
            dict(type='FormatShape', input_format='NCHW'),
            dict(type='PackActionInputs'),
        ],
        **dataset,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        ann_file=f'{lists}/val.txt',
        test_mode=True,
        pipeline=[  # 3 crops x 2 clips
            dict(type='VideoInit', decoder=decoder),
            dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=8, twice_sample=True, test_mode=True),
            dict(type='VideoDecode'),
            dict(type='Resize', scale=(-1, 256)),
            dict(type='ThreeCrop', crop_size=256),
            dict(type='FormatShape', input_format='NCHW'),
            dict(type='PackActionInputs', meta_keys=('filename',)),
        ],
        **dataset,
    ),
)
val_evaluator = dict(type='AccMetric')
test_evaluator = [dict(type='AccMetric'), dict(type='WritePredictions', out_file=f'{lists}/predictions.csv')]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    optimizer=dict(type='AdamW', weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0),
    clip_grad=dict(max_norm=20),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, convert_to_iter_based=True),  # until the end
]
# the last checkpoint is tested; with few videos, the best is best by chance
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2, save_best=None), logger=dict(interval=5))
custom_hooks = [dict(type='WatchRegionsHook', interval=5)]
randomness = dict(seed=0)
