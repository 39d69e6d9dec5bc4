"""RegionVisualizer as a replacement for MMAction2's visualizer."""

import cv2
import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from region_runs import FRAMES, SIDE, config, digits, recognizer

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.visualization import RegionVisualizer

FRAME = np.full((4, 48, 64, 3), 90, np.uint8)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmaction')


def sample(**fields):
    return ActionDataSample(pred_score=torch.tensor([0.2, 0.8]), **fields).set_pred_label(1)


def test_sample_with_regions_becomes_one_picture(tmp_path):
    visualizer = RegionVisualizer('a', vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path))
    visualizer.dataset_meta = dict(classes=['up', 'down'])
    center = torch.rand(1, 4, 2, 2)
    regions = {'layer1.0': Regions(center, torch.full_like(center, 0.1), (1, 1))}
    picture = visualizer.add_datasample('one', FRAME, sample(regions=regions), step=3)
    assert picture.shape == (22 + 18 + 150, 4 * 200, 3)
    (path,) = tmp_path.rglob('one_3.png')
    assert (cv2.imread(str(path))[..., ::-1] == picture).all()


def test_other_samples_are_drawn_by_mmaction2(tmp_path):
    visualizer = RegionVisualizer('b', vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path))
    assert visualizer.add_datasample('one', FRAME, sample()).shape[0] == 4
    assert len(list(tmp_path.rglob('*.png'))) == 4


def test_test_run_shows_regions(tmp_path):
    """As tools/test.py --show-dir: MMAction2's hook, our visualizer."""
    hook = dict(type='VisualizationHook', enable=True, out_dir=str(tmp_path / 'shown'), interval=2)
    cfg = config(
        tmp_path,
        recognizer(dict(type='FixedRegions')),
        digits(),
        default_hooks=dict(visualization=hook),
        visualizer=dict(type='RegionVisualizer', name='c', vis_backends=[dict(type='LocalVisBackend')]),
    )
    Runner.from_cfg(cfg).test()
    pictures = [cv2.imread(str(path)) for path in (tmp_path / 'shown').rglob('*.png')]
    assert [picture.shape for picture in pictures] == [(22 + 18 + 200, FRAMES * 200, 3)] * 3 and SIDE == 64
