# The same, Homogenous.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(stages='homogenous')))
