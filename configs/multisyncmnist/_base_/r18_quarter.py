# Three stages of a ResNet-18 with a quarter of the width on gray frames of 64 x 64. All kernels are spatial; it is a
# ResNet3d only because the width of MMAction2's ResNet is fixed.
custom_imports = dict(imports=['dyreg_mmaction'], allow_failed_imports=False)

model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='ResNet3d',
        depth=18,
        pretrained=None,
        in_channels=1,
        base_channels=16,
        num_stages=3,
        spatial_strides=(1, 2, 2),
        temporal_strides=(1, 1, 1),
        dilations=(1, 1, 1),
        out_indices=(2,),
        conv1_kernel=(1, 5, 5),
        conv1_stride_s=2,
        conv1_stride_t=1,
        pool1_stride_s=2,
        pool1_stride_t=1,
        inflate=(0, 0, 0),
        with_pool2=False,
        zero_init_residual=False,
    ),
    data_preprocessor=dict(type='ActionDataPreprocessor', mean=[127.5], std=[127.5], format_shape='NCTHW'),
)
