"""Linear probe of regions, for regions whose relation to the class is known and in a complete run."""

import builtins
import re

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from region_runs import config, digits, recognizer

from dyreg_mmaction.cli.launch import build_runner
from dyreg_mmaction.cli.options import check_regions_attached
from dyreg_mmaction.evaluation import RegionProbe
from dyreg_mmaction.evaluation.region_probe import linear_probe
from dyreg_mmaction.ops import Regions


@pytest.fixture
def log(caplog):
    """Return what MMEngine's logger prints."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def video(label, center, half_size=0.1, **more):
    """Return a sample of one frame and node."""
    center = torch.tensor(center, dtype=torch.float32).reshape(1, 1, 1, 2)
    regions = dict(layer3=Regions(center, torch.full_like(center, half_size), (1, 1)))
    return dict(regions=regions, gt_label=torch.tensor([label]), **more)


def measured(*samples):
    metric = RegionProbe()
    metric.dataset_meta = None
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def test_linear_relations_are_found_and_products_are_not():
    values = np.random.default_rng(0).uniform(-1, 1, (1000, 2))
    assert linear_probe(values, (values[:, 0] + values[:, 1] > 0).astype(int)) > 0.97
    assert linear_probe(values, (values[:, 0] * values[:, 1] > 0).astype(int)) < 0.6


def test_centers_sizes_and_boxes_are_read():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=60).tolist()
    boxes = rng.uniform(size=(60, 1, 1, 1, 4))
    by_center = measured(*(video(label, (label, 0.5), objects=box) for label, box in zip(labels, boxes, strict=True)))
    assert by_center['probe/regions'] == 1 and by_center['probe/objects'] < 0.75
    by_size = measured(*(video(label, (0.5, 0.5), 0.1 + label) for label in labels))
    assert by_size['probe/regions'] == 1 and 'probe/objects' not in by_size
    constant = measured(*(video(label, (0.5, 0.5)) for label in labels))
    assert constant['probe/regions'] == constant['probe/majority'] == linear_probe(np.zeros((60, 1)), np.array(labels))
    boxes[..., 0] = np.reshape(labels, (60, 1, 1, 1))
    located = measured(*(video(label, (0.5, 0.5), objects=box) for label, box in zip(labels, boxes, strict=True)))
    assert located['probe/objects'] == 1


def test_one_huge_region_does_not_hide_the_others():
    samples = [video(number % 2, (0.5, 0.5), 0.1 + number % 2) for number in range(60)]
    assert measured(video(0, (0.5, 0.5), 3e6), *samples)['probe/regions'] > 0.95


def test_boxes_of_the_frames_of_the_regions():
    """The middle one of three frames."""
    labels = [number % 2 for number in range(60)]
    boxes = np.random.default_rng(0).uniform(size=(60, 1, 3, 1, 4))
    boxes[:, :, 1] = np.reshape(labels, (60, 1, 1, 1))
    found = measured(*(video(label, (0.5, 0.5), objects=box) for label, box in zip(labels, boxes, strict=True)))
    assert found['probe/objects'] == 1


def test_plugins_are_told_apart():
    def two(number):
        sample = video(number % 2, (number % 2, 0))
        other = video(0, (0.5, 0.5))['regions']['layer3']
        pair = [('layer3', sample['regions']['layer3']), ('layer4', other)]
        return dict(sample, regions=dict(pair[:: 1 if number % 3 else -1]))

    assert measured(*map(two, range(60)))['probe/regions'] == 1


def test_damaged_videos_and_missing_boxes(log):
    samples = [video(number % 2, (number % 2, 0)) for number in range(20)]
    gone = [video(1 - number % 2, (number % 2, 0), damaged=True) for number in range(20)]
    assert measured(*samples, *gone)['probe/regions'] == 1
    missing = [
        dict(sample, objects=np.full((1, 1, 1, 4), np.nan if i == 3 else 0.5)) for i, sample in enumerate(samples)
    ]
    log.clear()
    assert np.isnan(measured(*missing)['probe/objects'])
    assert 'objects of 1 of 20 videos are missing' in log.text
    fewer = [dict(sample, objects=np.full((1, 1, 1 + (i == 3), 4), 0.5)) for i, sample in enumerate(samples)]
    assert np.isnan(measured(*fewer)['probe/objects'])
    assert 'videos have 4 to 8 numbers for their objects' in log.text
    assert np.isnan(measured(*samples[1:], fewer[0])['probe/objects'])


def test_rare_class():
    """A fold whose other folds have one class."""
    found = measured(video(1, (1, 0)), *(video(0, (0, 0)) for _ in range(5)))
    assert found['probe/regions'] == pytest.approx(5 / 6)


def test_what_cannot_be_measured_is_nan(log):
    longer = video(0, (0, 0))
    longer['regions']['layer4'] = longer['regions']['layer3']
    cases = {
        '6 readable videos of 1 classes; use at least 5 videos of 2 classes': [video(0, (0, 0)) for _ in range(6)],
        '4 readable videos of 2 classes': [video(number % 2, (0, 0)) for number in range(4)],
        'videos have 4 to 8 numbers for their regions': [longer, *(video(number % 2, (0, 0)) for number in range(5))],
        'regions of 1 of 6 videos are missing or not finite': [
            video(0, (np.nan, 0)),
            *(video(number % 2, (0, 0)) for number in range(5)),
        ],
    }
    for message, samples in cases.items():
        log.clear()
        assert np.isnan(measured(*samples)['probe/regions'])
        assert message in log.text
    log.clear()
    measured(*(video(number % 2, (0, 0)) for number in range(5)))
    assert '5 videos are few for 4 numbers of regions each' in log.text and 'use at least 40 videos' in log.text


def test_errors(monkeypatch):
    with pytest.raises(ValueError, match=r"add custom_hooks=\[dict\(type='AttachRegionsHook'\)\]"):
        measured(dict(gt_label=torch.tensor([0])))
    for label, given in ((torch.zeros(174), '174 labels: [0.0, 0.0, 0.0];'), (torch.tensor([-1]), '1 labels: [-1];')):
        with pytest.raises(ValueError, match=re.escape(given)):
            measured(dict(video(0, (0, 0)), gt_label=label))
    unlabeled = video(0, (0, 0))
    del unlabeled['gt_label']
    with pytest.raises(ValueError, match='got 0 labels'):
        measured(unlabeled)

    def missing(name, *rest):
        if name == 'sklearn':
            raise ImportError(name)
        return stock(name, *rest)

    stock = builtins.__import__
    monkeypatch.setattr(builtins, '__import__', missing)
    with pytest.raises(ImportError, match='pip install scikit-learn'):
        RegionProbe()


def test_config_without_the_hook_is_rejected(tmp_path):
    cfg = config(tmp_path, {}, {}, test_evaluator=[dict(type='RegionProbe')], custom_hooks=[])
    with pytest.raises(ValueError, match="RegionProbe of test_evaluator needs dict\\(type='AttachRegionsHook'\\)"):
        check_regions_attached(cfg, 'test')


@pytest.mark.parametrize('source', ['BoxRegions', 'SemanticMaps'])
def test_complete_run(source, tmp_path):
    init_default_scope('mmaction')
    model = recognizer(dict(type=source), num_nodes=3)
    cfg = config(tmp_path, model, digits(length=12), test_evaluator=[dict(type='RegionProbe')])
    runner = build_runner(cfg)
    found = runner.test()
    labels = [int(sample['data_samples'].gt_label) for sample in runner.test_loop.dataloader.dataset]
    assert found['probe/majority'] == linear_probe(np.zeros((12, 1)), np.array(labels))
    assert {key for key in found if 'probe' in key} == {'probe/regions', 'probe/objects', 'probe/majority'}
    assert 0 <= found['probe/regions'] <= 1
