"""Plugins in backbones of other libraries need a recognizer that inserts them."""

import pytest
from mmengine.config import Config

from dyreg_mmaction.engine.checks import check_num_segments, check_recognizer


def config(kind, frames=8, **backbone):
    backbone = dict(type='torchvision.resnet50', num_segments=frames, **backbone)
    head = dict(type='TSMHead', num_classes=3, in_channels=2048, num_segments=8)
    return Config(dict(model=dict(type=kind, backbone=backbone, cls_head=head)))


PLUGINS = [dict(type='TemporalShift')]


def test_mmaction2s_recognizer_with_plugins_raises_an_error():
    message = (
        "torchvision.resnet50 has plugins, which Recognizer2D does not insert; set model.type='RegionRecognizer2D'"
    )
    with pytest.raises(ValueError, match=message):
        check_recognizer(config('mmaction.Recognizer2D', plugins=PLUGINS))


@pytest.mark.parametrize(
    'cfg', [config('RegionRecognizer2D', plugins=PLUGINS), config('mmaction.Recognizer2D'), Config({})]
)
def test_other_models_are_accepted(cfg):
    check_recognizer(cfg)


def test_clip_length_of_the_head_is_that_of_the_backbone():
    check_num_segments(config('RegionRecognizer2D', plugins=PLUGINS))
    with pytest.raises(ValueError, match='model.backbone.num_segments=4 and model.cls_head.num_segments=8 must be'):
        check_num_segments(config('RegionRecognizer2D', frames=4, plugins=PLUGINS))
