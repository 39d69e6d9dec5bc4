"""The clip length is the same in backbone, head and pipelines, or read from each batch."""

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from dyreg_mmaction.engine.checks import check_num_segments
from dyreg_mmaction.registry import MODELS

LOADERS = ('train', 'val', 'test')


def config(backbone=8, head=8, plugins=({'type': 'DyRegGNN', 'after': 'layer3'},), **sampled):
    def dataset(frames):
        sampling = frames if isinstance(frames, dict) else dict(type='SampleFrames', clip_len=1, num_clips=frames)
        pipeline = [dict(type='DecordInit'), sampling, dict(type='DecordDecode'), dict(type='PackActionInputs')]
        return dict(type='RepeatDataset', times=2, dataset=dict(type='VideoDataset', pipeline=pipeline))

    model = dict(
        type='Recognizer2D',
        backbone=dict(type='DyRegResNetTSM', depth=18, num_segments=backbone, plugins=list(plugins)),
        cls_head=dict(type='TSMHead', num_classes=3, in_channels=512, num_segments=head),
    )
    loaders = {f'{name}_dataloader': dict(dataset=dataset(sampled.get(name, 8))) for name in LOADERS}
    return Config(dict(model=model, **loaders))


@pytest.mark.parametrize('frames', [4, 16, dict(type='UniformSample', clip_len=16)], ids=str)
@pytest.mark.parametrize('name', LOADERS)
def test_pipeline_with_another_clip_length_raises_an_error(name, frames):
    where = f'{name}_dataloader.dataset.dataset.pipeline.1'
    with pytest.raises(
        ValueError, match=rf'{where}.(num_clips|clip_len)=\d+ and model.backbone.num_segments=8'
    ) as error:
        check_num_segments(config(**{name: frames}))
    assert '\n' not in str(error.value)


def test_head_with_another_clip_length_raises_an_error():
    with pytest.raises(ValueError, match='model.backbone.num_segments=8 and model.cls_head.num_segments=4 must be'):
        check_num_segments(config(head=4))
    with pytest.raises(ValueError, match='model.backbone.num_segments=8 and model.cls_head.num_segments=4'):
        check_num_segments(config(backbone=None, head=4))  # ResNetTSM's default


def test_consistent_configs_are_accepted():
    check_num_segments(config())
    check_num_segments(
        config(
            train=dict(type='UniformSample', clip_len=8), test=dict(type='DenseSampleFrames', clip_len=8, num_clips=10)
        )
    )
    check_num_segments(Config(dict(model=config().model)))
    check_num_segments(Config())


def test_models_without_plugins_are_not_checked():
    cfg = config(head=4, train=16)
    for backbone in (dict(plugins=[]), dict(type='ResNetTSM', plugins=None), dict(type='MobileOneTSM')):
        cfg.model.backbone.update(backbone)
        check_num_segments(cfg)
    with DefaultScope.overwrite_default_scope('mmaction'):
        stock = dict(type='ResNetTSM', depth=18, num_segments=8, pretrained2d=False)
        MODELS.build(dict(cfg.model, backbone=stock))  # MMAction2 accepts a head with num_segments=4


def test_batch_num_segments_requires_packed_clip_length():
    cfg = config(backbone='batch', train=3, test=25)
    cfg.model.backbone.type, cfg.model.cls_head = 'DyRegResNet', dict(type='TSNHead')
    with pytest.raises(
        ValueError, match='needs the clip length, which val_dataloader.dataset.dataset.pipeline.3 does not pack'
    ):
        check_num_segments(cfg)
    for name in ('val', 'test'):
        cfg[f'{name}_dataloader'].dataset.dataset.pipeline[3].meta_keys = ('num_clips', 'clip_len')
    check_num_segments(cfg)
