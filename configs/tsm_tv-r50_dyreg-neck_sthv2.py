# torchvision's ResNet-50 + temporal shift + DyReg-GNN as a neck on its last map, 7 x 7 cells.
_base_ = './tsm_tv-r50_dyreg-r4_sthv2.py'

model = dict(
    backbone=dict(plugins=[dict(type='TemporalShift')]),
    neck=dict(type='RegionNeck', in_channels=2048, feature_size=7, num_segments=16, plugin=dict(type='DyRegGNN')),
)
