# VideoMAE ViT-B + DyReg-GNN on 14 x 14 cells, after two thirds of the blocks. The base config has no training.
_base_ = 'mmaction::recognition/videomae/vit-base-p16_videomae-k400-pre_16x4x1_kinetics-400.py'

custom_imports = dict(imports=['dyreg_mmaction'])
model = dict(backbone=dict(type='DyRegVisionTransformer', plugins=[dict(type='DyRegGNN', after='blocks.7')]))
