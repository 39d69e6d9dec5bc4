# Averages over the two halves of the frame, without writing them back.
_base_ = './nodes_dyreg.py'

model = dict(cls_head=dict(kernel='area', regions=dict(_delete_=True, type='FixedRegions')))
