# The main model, with regions distilled from three one-module models for the first 10 % (tools/train_multi.sh).
_base_ = './tsm_r50_dyreg_sthv2.py'

teachers = {
    'layer2.2.conv2.conv': dict(
        config='configs/tsm_r50_dyreg-r3_sthv2.py', checkpoint='work_dirs/tsm_r50_dyreg-r3_sthv2/teacher.pth'
    ),
    'layer3.4.conv2.conv': dict(
        config='configs/tsm_r50_dyreg-r4_sthv2.py', checkpoint='work_dirs/tsm_r50_dyreg-r4_sthv2/teacher.pth'
    ),
    'layer4.1.conv2.conv': dict(
        config='configs/tsm_r50_dyreg-r5_sthv2.py', checkpoint='work_dirs/tsm_r50_dyreg-r5_sthv2/teacher.pth'
    ),
}
model = dict(
    type='RegionRecognizer2D',
    region_losses=[dict(type='RegionDistillation', weight=1.0, until=0.1, ending='step', teachers=teachers)],
)
