# RSTG to-vec, Positional All-temp: messages know where sender and receiver are.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(positional=True)))
