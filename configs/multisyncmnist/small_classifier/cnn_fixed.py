# Fixed: averages over the two halves of the frame.
_base_ = './cnn.py'

model = dict(neck=dict(plugin=dict(kernel='area', regions=dict(type='FixedRegions'))))
