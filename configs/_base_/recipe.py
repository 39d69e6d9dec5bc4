# The training recipe of the paper: SGD 0.001, 5 clips per GPU on 2 GPUs, lr / 10 three times at validation plateaus.
_base_ = 'mmaction::_base_/default_runtime.py'

env_cfg = dict(cudnn_benchmark=True)  # all batches of a loop have the same size

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=60, val_begin=1, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    # biases: lr x 2; classifier: weight lr x 5, bias lr x 10; biases and norms without weight decay
    constructor='DyRegOptimWrapperConstructor',
    paramwise_cfg=dict(fc_lr5=True),
    optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=5e-4),
)
param_scheduler = [
    dict(
        type='ReduceOnPlateauLR',
        monitor='acc/top1',
        rule='greater',
        factor=0.1,
        patience=4,
        # three drops of each group, in the constructor's order
        min_value=[1e-6, 2e-6, 1e-6, 2e-6, 1e-6, 5e-6, 1e-5],
    )
]
auto_scale_lr = dict(enable=False, base_batch_size=10)
sync_bn = 'torch'

val_evaluator = dict(type='AccMetric')
test_evaluator = dict(type='AccMetric')
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=3, save_best='acc/top1', rule='greater'))
custom_hooks = [dict(type='WatchRegionsHook')]  # for models with regions
custom_imports = dict(imports=['dyreg_mmaction'], allow_failed_imports=False)
