# DyReg-GNN with a motion warm start with a third of its weight until the end. Each frame separately, see r18-2d.py.
_base_ = './r18_dyreg-motion-stays.py'

model = dict(backbone=dict(inflate=(0, 0, 0)))
