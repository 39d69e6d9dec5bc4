# Model of the quick start: the motion loss is added for the first 40 % of the training.
_base_ = './tsm_r18_dyreg_mini.py'

model = dict(type='RegionRecognizer2D', region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4)])
