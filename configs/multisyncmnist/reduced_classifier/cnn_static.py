# Static: learned regions, the same for all clips.
_base_ = './cnn.py'

model = dict(neck=dict(plugin=dict(regions=dict(type='StaticRegions', hidden_channels=32))))
