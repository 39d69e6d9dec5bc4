# TSM-R50 + DyReg-GNN with the motion loss for the first 40 % of the training.
_base_ = './tsm_r50_dyreg_sthv2.py'

model = dict(type='RegionRecognizer2D', region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4)])
