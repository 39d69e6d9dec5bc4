# The backbone alone: no time but the mean over frames.
_base_ = [
    'mmaction::_base_/default_runtime.py',
    './_base_/r18.py',
    './_base_/multisyncmnist.py',
    './_base_/schedule.py',
]
