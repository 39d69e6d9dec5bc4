# Fixed: averages over the four quarters of the frame.
_base_ = './cnn.py'

model = dict(neck=dict(plugin=dict(kernel='area', regions=dict(type='FixedRegions'))))
