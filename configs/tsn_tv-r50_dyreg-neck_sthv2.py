# torchvision's ResNet-50, unmodified, + DyReg-GNN as a neck on its last map, 7 x 7 cells. Without a temporal shift,
# which MMAction2 has in its own backbones only.
_base_ = './tsm_r50_sthv2.py'

model = dict(
    backbone=dict(_delete_=True, type='torchvision.resnet50', weights='IMAGENET1K_V1'),
    neck=dict(type='RegionNeck', in_channels=2048, feature_size=7, num_segments=16, plugin=dict(type='DyRegGNN')),
    cls_head=dict(is_shift=False),
)
