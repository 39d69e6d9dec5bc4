# Position-Only: a fixed size.
_base_ = './cnn.py'

model = dict(
    neck=dict(plugin=dict(regions=dict(type='DynamicRegions', hidden_channels=32, predict_size=False, half_size=0.14)))
)
