# RSTG to-vec, Homogenous: one kind of stage for neighbors in space and time, averaged over time.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(stages='homogenous')))
