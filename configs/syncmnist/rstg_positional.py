# RSTG to-vec, Positional All-temp: messages depend on the positions of sender and receiver.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(positional=True)))
