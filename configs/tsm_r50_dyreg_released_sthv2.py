# The released model, tested as by its authors: 3 crops of 256 x 256 x 2 clips, logits averaged.
# python tools/deploy/convert_checkpoint.py RELEASED.pth.tar released.pth
# python tools/test.py configs/tsm_r50_dyreg_released_sthv2.py released.pth
_base_ = './tsm_r50_dyreg_sthv2.py'

test_pipeline = [
    dict(type='VideoInit', decoder=_base_.decoder),
    dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=16, twice_sample=True, test_mode=True),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='TSMCrop', crop_size=256, num_crops=3),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
