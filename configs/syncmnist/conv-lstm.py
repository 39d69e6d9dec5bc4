# Conv+LSTM: convolutions that reduce the map to one cell, and an LSTM over time.
_base_ = './mean-lstm.py'

model = dict(cls_head=dict(num_convs=2))
