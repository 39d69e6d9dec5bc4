# The same, 1-temp-stage.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(stages='1-temp')))
