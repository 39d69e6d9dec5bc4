# DyReg-GNN-Lite in the released form: masked global pooling instead of f and its fully connected layers.
_base_ = './cnn_dyreg-released.py'

model = dict(neck=dict(plugin=dict(regions=dict(heads='pool'))))
