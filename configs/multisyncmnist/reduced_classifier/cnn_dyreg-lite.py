# DyReg-GNN-Lite: masked global pooling instead of f and its fully connected layers.
_base_ = './cnn.py'

model = dict(neck=dict(plugin=dict(regions=dict(type='DynamicRegions', hidden_channels=32, heads='pool'))))
