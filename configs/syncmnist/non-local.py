# Non-Local: I3D with five space-time Non-Local blocks, which are narrow to match the size of RSTG.
_base_ = './i3d.py'

model = dict(
    backbone=dict(
        non_local=((0, 0, 0), (0, 1, 0, 1), (0, 1, 0, 1, 0, 1)),
        non_local_cfg=dict(
            reduction=8, sub_sample=True, use_scale=True, norm_cfg=dict(type='BN3d'), mode='embedded_gaussian'
        ),
    )
)
