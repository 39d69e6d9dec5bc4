# MViTv2-S + DyReg-GNN on 14 x 14 cells, after two thirds of the blocks.
_base_ = 'mmaction::recognition/mvit/mvit-small-p244_k400-pre_16xb16-u16-100e_sthv2-rgb.py'

custom_imports = dict(imports=['dyreg_mmaction'])
model = dict(backbone=dict(type='DyRegMViT', plugins=[dict(type='DyRegGNN', after='blocks.10')]))
