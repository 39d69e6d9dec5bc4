"""Configs of tiny runs on generated digits, for tests of metrics, hooks and images."""

from mmengine.config import Config

SIDE, FRAMES = 64, 4
LOAD = [dict(type='LoadBoxes', num_boxes=3), dict(type='LoadObjects')]
PACK = [
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs', algorithm_keys=('boxes', 'objects', 'acting')),
]


def digits(length=5, transforms=(), pipeline_head=(), **kwargs):
    """Return the config of a small MultiSyncMNIST with boxes and objects."""
    around = [dict(type='WithBoxes', transforms=list(transforms))] if transforms else []
    options = dict(num_digits=3, num_frames=FRAMES, canvas_size=128, frame_size=SIDE, split='test')
    return dict(
        type='MultiSyncMNIST', length=length, pipeline=[*pipeline_head, *LOAD, *around, *PACK], **options, **kwargs
    )


def recognizer(*regions, num_nodes=4, size=SIDE, kind='RegionRecognizer2D', **kwargs):
    """Return the config of one stage of a grayscale ResNet-18 with one plugin per region source."""
    places = ('layer1.0', 'layer1.1')
    plugins = [
        dict(type='DyRegGNN', after=place, node_channels=8, num_nodes=num_nodes, regions=source)
        for place, source in zip(places, regions, strict=False)
    ]
    return dict(
        type=kind,
        backbone=dict(
            type='DyRegResNet',
            depth=18,
            in_channels=1,
            num_stages=1,
            strides=(1,),
            dilations=(1,),
            out_indices=(0,),
            input_size=size,
            num_segments=FRAMES,
            plugins=plugins,
        ),
        cls_head=dict(type='TSNHead', num_classes=56, in_channels=64, average_clips='prob'),
        data_preprocessor=dict(type='ActionDataPreprocessor', mean=[127.5], std=[127.5], format_shape='NCHW'),
        **kwargs,
    )


def config(work_dir, model, dataset, batch_size=2, **kwargs):
    """Return the config of a test-only run. kwargs are added."""
    loader = dict(batch_size=batch_size, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
    loop = dict(dataset=dataset, **loader)
    settings = dict(
        default_scope='mmaction',
        custom_imports=dict(imports=['dyreg_mmaction']),
        model=model,
        work_dir=str(work_dir),
        test_dataloader=loop,
        test_cfg=dict(type='TestLoop'),
        test_evaluator=[dict(type='ObjectDistance')],
        custom_hooks=[dict(type='AttachRegionsHook')],
        log_level='WARNING',
        experiment_name=str(work_dir),
    )
    return Config({**settings, **kwargs})
