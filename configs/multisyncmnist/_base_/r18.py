# The paper's 2D backbone: three stages of a ResNet-18 on gray frames of 128 x 128, logits averaged over the frames.
custom_imports = dict(imports=['dyreg_mmaction'], allow_failed_imports=False)

model = dict(
    type='Recognizer2D',
    backbone=dict(
        type='DyRegResNet',
        depth=18,
        in_channels=1,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
        input_size=128,
        num_segments=10,
    ),
    cls_head=dict(type='TSNHead', num_classes=56, in_channels=256, dropout_ratio=0.5, average_clips='score'),
    data_preprocessor=dict(type='ActionDataPreprocessor', mean=[127.5], std=[127.5], format_shape='NCHW'),
)
