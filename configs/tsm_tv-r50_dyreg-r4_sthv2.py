# torchvision's ResNet-50 + temporal shift + DyReg-GNN in stage 4 (r4), 14 x 14 cells.
_base_ = './tsm_r50_sthv2.py'

model = dict(
    type='RegionRecognizer2D',
    backbone=dict(
        _delete_=True,
        type='torchvision.resnet50',
        weights='IMAGENET1K_V1',
        num_segments=16,
        plugins=[dict(type='TemporalShift'), dict(type='DyRegGNN', after='layer3.4.conv2')],
    ),
)
