# RSTG to-vec, Time-Only: time stages without messages.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(stages='time-only')))
