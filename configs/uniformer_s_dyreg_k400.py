# UniFormer-S + DyReg-GNN on 14 x 14 cells, after two thirds of the blocks. The base config has no training.
_base_ = 'mmaction::recognition/uniformer/uniformer-small_imagenet1k-pre_16x4x1_kinetics400-rgb.py'

custom_imports = dict(imports=['dyreg_mmaction'])
model = dict(backbone=dict(type='DyRegUniFormer', plugins=[dict(type='DyRegGNN', after='blocks3.4')]))
