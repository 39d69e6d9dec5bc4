# Video Swin-T + DyReg-GNN on 14 x 14 cells, after two thirds of the blocks.
_base_ = 'mmaction::recognition/swin/swin-tiny-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb.py'

custom_imports = dict(imports=['dyreg_mmaction'])
model = dict(backbone=dict(type='DyRegSwinTransformer3D', plugins=[dict(type='DyRegGNN', after='layers.2.blocks.3')]))
