# The backbone alone, averaged over frames, without other temporal modeling.
_base_ = [
    'mmaction::_base_/default_runtime.py',
    './_base_/r18.py',
    './_base_/multisyncmnist.py',
    './_base_/schedule.py',
]

default_hooks = dict(
    logger=dict(interval=100),
    checkpoint=dict(interval=1, max_keep_ckpts=3, save_best='acc/top1', rule='greater'),
)
