# DyReg-GNN with the options for training by the class label alone. Each frame separately, see r18-2d.py.
_base_ = './r18_dyreg-label.py'

model = dict(backbone=dict(inflate=(0, 0, 0)))
