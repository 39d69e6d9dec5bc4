# Motion warm start: the motion loss is added to the class loss for the first 40 % of the training.
_base_ = './r18_dyreg.py'

model = dict(
    type='RegionRecognizer3D', region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4, ending='step')]
)
