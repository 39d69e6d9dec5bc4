# Your own videos on two CPU cores: TSM-R18 with one module, 8 frames of 112 pixels, trained from scratch.
_base_ = './_base_/folder.py'

model = dict(
    backbone=dict(
        depth=18,
        pretrained=None,
        input_size=112,
        plugins=[
            dict(
                type='DyRegGNN',
                after='layer2.1.conv2.conv',
                regions=dict(type='DynamicRegions', hidden_channels=64, reference='grid'),
            )
        ],
    ),
    cls_head=dict(in_channels=512, dropout_ratio=0.2, init_std=0.01),
)
optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(
        # parameters that start at zero need a higher rate, because there are few steps
        custom_keys={'predictor.alpha': dict(lr_mult=5), 'conv2-conv.norm.weight': dict(lr_mult=10, decay_mult=0)},
    ),
)

# resize to a short side of 128, then crop 112 pixels; in tests crop 128
_base_.train_dataloader.dataset.pipeline[3].scale = (-1, 128)
_base_.train_dataloader.dataset.pipeline[4].input_size = 112
_base_.train_dataloader.dataset.pipeline[5].scale = (112, 112)
_base_.val_dataloader.dataset.pipeline[3].scale = (-1, 128)
_base_.val_dataloader.dataset.pipeline[4].crop_size = 112
_base_.test_dataloader.dataset.pipeline[3].scale = (-1, 128)
_base_.test_dataloader.dataset.pipeline[4].crop_size = 128
