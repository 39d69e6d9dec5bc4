# Conv+LSTM: convolutions down to one cell, an LSTM over time.
_base_ = './mean-lstm.py'

model = dict(cls_head=dict(num_convs=2))
