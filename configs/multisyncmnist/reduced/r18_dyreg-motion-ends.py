# Motion warm start that ends after 40 % of the training.
_base_ = './r18_dyreg.py'

model = dict(
    type='RegionRecognizer3D',
    region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4, ending='linear', steady=False)],
)
