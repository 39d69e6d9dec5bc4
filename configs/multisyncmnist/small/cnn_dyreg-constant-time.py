# Constant-Time: the same regions in all frames of a clip.
_base_ = './cnn_dyreg.py'

model = dict(neck=dict(plugin=dict(regions=dict(time='constant'))))
