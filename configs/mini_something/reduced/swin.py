# A small Video Swin, trained from scratch: 6 blocks, 8 frames of 64 x 64, 4 x 16 x 16 tokens. The other swin configs
# add a module, and one also a region loss.
_base_ = './r18.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='DyRegSwinTransformer3D',
        arch=dict(embed_dims=48, depths=[4, 2], num_heads=[3, 6]),
        window_size=(4, 4, 4),
        drop_path_rate=0.0,
        out_indices=(1,),
        pretrained2d=False,
        input_size=64,
        num_frames=8,
    ),
    cls_head=dict(in_channels=96),
)
val_evaluator = [dict(type='AccMetric')]
test_evaluator = val_evaluator
custom_hooks = []
