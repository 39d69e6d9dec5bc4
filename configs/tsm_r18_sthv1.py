# TSM-R18 baseline on V1.
_base_ = './tsm_r50_sthv1.py'

model = dict(
    backbone=dict(depth=18, pretrained='torchvision://resnet18'),
    cls_head=dict(in_channels=512),
)
