# RSTG's backbone for SyncMNIST: three blocks of 512 channels, with output maps of 6 x 6.
custom_imports = dict(imports=['dyreg_mmaction'], allow_failed_imports=False)

model = dict(
    type='Recognizer2D',
    backbone=dict(type='DyRegConvNet', channels=512),
    data_preprocessor=dict(type='ActionDataPreprocessor', mean=[0], std=[255], format_shape='NCHW'),
)
