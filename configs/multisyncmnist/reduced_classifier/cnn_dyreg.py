# DyReg-GNN: regions predicted from each frame.
_base_ = './cnn.py'

model = dict(neck=dict(plugin=dict(regions=dict(type='DynamicRegions', hidden_channels=32))))
