# The options for training by the class label alone, and a motion warm start with a third of its weight until the end.
_base_ = './r18_dyreg-label.py'

model = dict(
    type='RegionRecognizer3D',
    region_losses=[dict(type='MotionLikelihood', weight=0.3, until=0.4, ending='linear', remain=0.1)],
)
