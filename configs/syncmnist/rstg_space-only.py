# RSTG to-vec, Space-Only: space stages on every frame, averaged over time.
_base_ = './rstg_all-temp.py'

model = dict(cls_head=dict(graph=dict(stages='space-only')))
