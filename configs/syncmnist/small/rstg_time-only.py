# The same, Time-Only.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(stages='time-only')))
