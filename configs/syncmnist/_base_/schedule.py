# Our schedule; docs/research/rstg.md describes the released one.
_base_ = 'mmaction::_base_/default_runtime.py'

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10, val_begin=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(optimizer=dict(type='Adam', lr=2e-4), clip_grad=dict(max_norm=5))
param_scheduler = [dict(type='MultiStepLR', begin=0, end=10, by_epoch=True, milestones=[6, 8, 9], gamma=0.1)]

default_hooks = dict(
    logger=dict(interval=100),
    checkpoint=dict(interval=1, max_keep_ckpts=3, save_best='acc/top1', rule='greater'),
)
