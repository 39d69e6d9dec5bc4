# Constant-Time: the same regions in all frames of a clip.
_base_ = './cnn.py'

model = dict(neck=dict(plugin=dict(regions=dict(type='DynamicRegions', hidden_channels=32, time='constant'))))
