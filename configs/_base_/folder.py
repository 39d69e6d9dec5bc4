# Your own videos, as listed by tools/train_folder.py: a path and a label per line, separated by a tab.
_base_ = 'mmaction::_base_/default_runtime.py'
custom_imports = dict(imports=['dyreg_mmaction'], allow_failed_imports=False)
data_root = 'data/my_videos'
lists = 'data/my_videos_dyreg'

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
    dataset=dict(ann_file=f'{lists}/train.txt', **dataset),
)
val_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(ann_file=f'{lists}/val.txt', test_mode=True, **dataset),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(ann_file=f'{lists}/val.txt', test_mode=True, **dataset),
)
val_evaluator = dict(type='AccMetric')
test_evaluator = [dict(type='AccMetric'), dict(type='WritePredictions', out_file=f'{lists}/predictions.csv')]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=0.5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=0.5, convert_to_iter_based=True),  # until the end
]
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2), logger=dict(interval=5))
custom_hooks = [dict(type='WatchRegionsHook', interval=5)]
randomness = dict(seed=0)
