# RSTG to-vec in minutes on one core: do two digits of three classes move in the same direction? Four frames of 32 x 32;
# a CNN of two blocks that sees each frame separately, trained together with RSTG. The class is the pair of digits, or
# "none" in a quarter of the clips, so a model that cannot relate frames has at most 75 %.
_base_ = ['../_base_/syncmnist.py', '../_base_/conv_net.py', '../_base_/schedule.py']

digits = dict(
    num_digits=2,
    digit_classes=(0, 1, 7),
    none_prob=0.25,
    num_frames=4,
    walk='straight',
    max_step=16,
    canvas_size=90,
    frame_size=32,
    overlap='max',
)
train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=digits)
val_dataloader = dict(batch_size=100, num_workers=0, persistent_workers=False, dataset=digits)
test_dataloader = val_dataloader

model = dict(
    backbone=dict(channels=(16, 32), padding=1, norm_cfg=dict(type='BN')),
    cls_head=dict(
        type='RSTGToVec',
        num_classes=46,
        in_channels=32,
        feature_size=8,
        num_segments=4,
        node_channels=32,
        graph=dict(type='MultiScaleGraph', attention='simple', norm='BN'),
        dropout_ratio=0,
        average_clips='score',
    ),
    data_preprocessor=dict(mean=[25], std=[75]),
)

train_cfg = dict(max_epochs=1)
optim_wrapper = dict(_delete_=True, optimizer=dict(type='AdamW', lr=2e-3), clip_grad=dict(max_norm=5))
param_scheduler = [dict(type='CosineAnnealingLR', T_max=1, end=1, by_epoch=True, convert_to_iter_based=True)]
