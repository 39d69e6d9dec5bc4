"""Predictions of windows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from video_cases import encode

from dyreg_mmaction.inference import long_videos
from dyreg_mmaction.inference.inferencer import RegionInferencer
from dyreg_mmaction.inference.long_videos import WindowPredictor
from dyreg_mmaction.registry import MODELS

CONFIG = Path(__file__).parents[2] / 'configs/tsm_r18_dyreg_mini.py'


@pytest.fixture(scope='module')
def cfg():
    return Config.fromfile(CONFIG)


@pytest.fixture(scope='module')
def model(cfg):
    """Return a recognizer with scores that differ between videos."""
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        model.cls_head.fc_cls.weight.mul_(100)
    return model


@pytest.fixture
def predictor(model, cfg):
    return lambda **options: WindowPredictor(model, cfg.test_dataloader.dataset.pipeline, **options)


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    return encode(tmp_path_factory.mktemp('video') / 'a b.mp4', 'libx264', '-g', 10, size='96x72', frames=60)


def test_batches_of_windows_give_the_same_predictions(predictor, video):
    alone = list(predictor(window=2, stride=1, batch=1)(video))
    together = list(predictor(window=2, stride=1, batch=4)(video))
    assert [found[:2] for found in alone] == [found[:2] for found in together] == [(i, i + 2) for i in range(5)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        assert one.scores.sum() == pytest.approx(1, abs=1e-5) and one.label == one.scores.argmax()
    assert np.ptp([found.scores for found in alone], axis=0).max() > 1e-3


@pytest.mark.parametrize('test_views', [True, False])
def test_full_video_is_predicted_as_by_the_inferencer(test_views, model, predictor, video, tmp_path):
    torch.save(dict(state_dict=model.state_dict(), meta=dict()), tmp_path / 'model.pth')
    inferencer = RegionInferencer(str(CONFIG), str(tmp_path / 'model.pth'), device='cpu', test_views=test_views)
    (expected,) = inferencer(str(video))['predictions']
    (found,) = predictor(test_views=test_views)(video)
    np.testing.assert_allclose(found.scores, expected['pred_scores'], atol=1e-5)


def test_regions_have_coordinates_and_times_of_the_video(predictor, video):
    found = list(predictor(window=2, stride=1, regions=True)(video))
    (path,) = found[0].clip.nodes
    for number, prediction in enumerate(found):
        clip = prediction.clip
        assert clip.nodes[path].center.shape == clip.nodes[path].half_size.shape == (8, 9, 2)
        assert number <= clip.times[0] < clip.times[-1] < number + 2
        left, top, right, bottom = clip.view  # a square in the middle of 96 x 72
        assert (left + right) / 2 == pytest.approx(0.5, abs=0.02) and right - left < bottom - top <= 1
        assert clip.frames.size == 0


def test_windows_before_the_damage_are_predicted(predictor, video, tmp_path, monkeypatch):
    stock = long_videos.VideoWindows.__call__

    def until_damage(self, source, on_frame=None):
        for window in stock(self, source, on_frame):
            if window.start == 3:
                raise ValueError('damaged')
            yield window

    monkeypatch.setattr(long_videos.VideoWindows, '__call__', until_damage)
    found = []
    with pytest.raises(ValueError, match='damaged'):
        for prediction in predictor(window=2, stride=1, batch=2)(video):
            found.append(prediction.start)
    assert found == [0, 1, 2]


def test_invalid_options_raise_errors(predictor, cfg):
    with pytest.raises(ValueError, match='batch is 0, but must be at least 1'):
        predictor(batch=0)
    plain = MODELS.build(Config.fromfile(CONFIG.parent / 'tsm_r18_sthv1.py').model)
    with pytest.raises(ValueError, match='no plugin with regions'):
        WindowPredictor(plain, cfg.test_dataloader.dataset.pipeline, regions=True)
