# Your own videos: TSM-R50 with one module, 8 frames of 224 pixels, from a checkpoint of MMAction2's TSM or ImageNet.
_base_ = './_base_/folder.py'

model = dict(backbone=dict(plugins=[dict(type='DyRegGNN', after='layer3.4.conv2.conv')]))
optim_wrapper = dict(
    optimizer=dict(lr=1e-4),
    paramwise_cfg=dict(
        # new parameters have a higher learning rate
        custom_keys={
            'cls_head': dict(lr_mult=10),
            'plugins': dict(lr_mult=10),
            'conv2-conv.norm.weight': dict(lr_mult=10, decay_mult=0),
        },
    ),
)
