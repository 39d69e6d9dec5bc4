# Mean+LSTM: the mean over each map, and an LSTM over time.
_base_ = './rstg_all-temp.py'

model = dict(
    cls_head=dict(
        _delete_=True,
        type='DyRegRecurrentHead',
        num_classes=46,
        in_channels=512,
        num_segments=10,
        dropout_ratio=0,
        average_clips='score',
    )
)
