# RSTG to-vec, 1-temp-stage: three consecutive space stages, then one time stage.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(stages='1-temp')))
