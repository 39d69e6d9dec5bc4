# TSM-R50 baseline, 16 frames, with the same recipe as the other models.
_base_ = [
    'mmaction::_base_/models/tsm_r50.py',
    './_base_/sthv2.py',
    './_base_/recipe.py',
]

model = dict(
    backbone=dict(num_segments=16),
    cls_head=dict(num_segments=16, num_classes=174, average_clips='score'),
)
