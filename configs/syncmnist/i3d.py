# I3D: three stages of a ResNet-50 with temporal convolutions; time is halved once.
_base_ = [
    './_base_/syncmnist.py',
    './_base_/schedule.py',
]
custom_imports = dict(imports=['dyreg_mmaction'], allow_failed_imports=False)

model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='ResNet3d',
        depth=50,
        pretrained=None,
        pretrained2d=False,
        in_channels=1,
        num_stages=3,
        out_indices=(2,),
        spatial_strides=(1, 2, 2),
        temporal_strides=(1, 1, 1),
        dilations=(1, 1, 1),
        conv1_kernel=(5, 7, 7),
        conv1_stride_t=1,
        pool1_stride_t=1,
        inflate=((1, 1, 1), (1, 0, 1, 0), (1, 0, 1, 0, 1, 0)),
        zero_init_residual=False,
    ),
    cls_head=dict(type='I3DHead', num_classes=46, in_channels=1024, dropout_ratio=0, average_clips='score'),
    data_preprocessor=dict(type='ActionDataPreprocessor', mean=[0], std=[255], format_shape='NCTHW'),
)

pipeline = [dict(type='FormatShape', input_format='NCTHW'), dict(type='PackActionInputs')]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = dict(dataset=dict(pipeline=pipeline))
