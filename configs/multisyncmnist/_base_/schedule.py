# SGD as in the paper. Batch size, length and learning rate drops are ours, because the paper does not specify them.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10, val_begin=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type='MultiStepLR', begin=0, end=10, by_epoch=True, milestones=[6, 8, 9], gamma=0.1)]
