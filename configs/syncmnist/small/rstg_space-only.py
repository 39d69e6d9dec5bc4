# The same, Space-Only.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(stages='space-only')))
