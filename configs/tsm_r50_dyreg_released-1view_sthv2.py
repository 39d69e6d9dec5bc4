# The released model with one view per video: 16 frames, center crop of 224 x 224.
_base_ = './tsm_r50_dyreg_released_sthv2.py'

test_pipeline = [
    dict(type='VideoInit', decoder=_base_.decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=16, test_mode=True),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='TSMCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
