# MultiSyncMNIST: 5 digits, 10 frames of 128 x 128, 600,000 training and 10,000 test clips.
data_root = None  # folder with MNIST's IDX files; None: the digits of scikit-learn

pipeline = [dict(type='FormatShape', input_format='NCHW'), dict(type='PackActionInputs')]

train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='MultiSyncMNIST', split='train', num_digits=5, data_root=data_root, pipeline=pipeline),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='MultiSyncMNIST', split='test', num_digits=5, data_root=data_root, pipeline=pipeline),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
