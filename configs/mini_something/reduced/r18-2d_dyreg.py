# DyReg-GNN, trained by the class loss only. Each frame separately, see r18-2d.py.
_base_ = './r18_dyreg.py'

model = dict(backbone=dict(inflate=(0, 0, 0)))
