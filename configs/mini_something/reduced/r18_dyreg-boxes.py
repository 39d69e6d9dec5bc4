# Supervision by object boxes instead of motion, in training only.
_base_ = './r18_dyreg.py'

model = dict(
    type='RegionRecognizer3D',
    region_losses=[dict(type='BoxLikelihood', weight=0.3, until=0.4, ending='linear', remain=0.1)],
)
