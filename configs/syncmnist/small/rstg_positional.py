# The same, Positional All-temp.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(positional=True)))
