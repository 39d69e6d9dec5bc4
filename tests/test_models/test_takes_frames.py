"""Backbones with num_segments='batch', whose recognizers report the clip length of each batch."""

import pytest
import torch
from backbone_cases import PLUGIN, wake
from mmaction.models.recognizers import Recognizer2D
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope

from dyreg_mmaction.models.takes_frames import TakesFrames
from dyreg_mmaction.registry import MODELS


class Recognizer(TakesFrames, Recognizer2D):
    """RegionRecognizer2D without boxes and losses."""


def tsn(kind=Recognizer):
    torch.manual_seed(0)
    plugins = [dict(PLUGIN, after='layer3.1')]
    backbone = dict(type='DyRegResNet', depth=18, num_segments='batch', input_size=64, plugins=plugins)
    head = dict(type='TSNHead', num_classes=3, in_channels=512, dropout_ratio=0, average_clips='prob')
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = kind(backbone, head).eval()
    wake(model.backbone.plugins)
    return model


def samples(count, **meta):
    return [ActionDataSample(metainfo=meta).set_gt_label(k % 3) for k in range(count)]


def test_tsn_trains_on_3_frames_and_is_tested_on_25():
    model, seen = tsn(), []
    model.backbone.plugins['layer3-1'].register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape[:3])))
    model.train()(torch.randn(2, 3, 3, 64, 64), samples(2), mode='loss')['loss_cls'].backward()
    model.eval()
    with torch.no_grad():
        model(torch.randn(1, 25 * 2, 3, 64, 64), samples(1, num_clips=25, clip_len=1), mode='predict')
        model(torch.randn(1, 10, 3, 64, 64), samples(1, num_clips=1, clip_len=5), mode='predict')
        model(torch.randn(1, 4, 3, 64, 64))
    assert seen == [(2, 256, 3), (2, 256, 25), (2, 256, 5), (1, 256, 4)]


def test_unknown_clip_length_raises_an_error():
    with pytest.raises(ValueError, match=r"meta_keys=\('num_clips', 'clip_len'\)"):
        tsn()(torch.randn(1, 6, 3, 64, 64), samples(1), mode='predict')
    with pytest.raises(ValueError, match="num_segments='batch', but the recognizer does not report"):
        tsn(Recognizer2D)(torch.randn(1, 6, 3, 64, 64))
    with pytest.raises(ValueError, match="num_segments is 'batch', but must be a number"):
        MODELS.build(dict(type='DyRegResNetTSM', depth=18, num_segments='batch'))
    with pytest.raises(ValueError, match="num_segments is 'many', but must be a number, or 'batch'"):
        MODELS.build(dict(type='DyRegResNet', depth=18, num_segments='many'))
