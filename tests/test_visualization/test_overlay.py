"""Drawing of predictions over the frames of a video."""

import numpy as np
import pytest

from dyreg_mmaction.visualization.clip import Nodes, RegionClip
from dyreg_mmaction.visualization.overlay import draw_over, nodes_at


@pytest.fixture
def clip():
    """Return a clip in which one node moves right between 10 s and 11 s and one rests; frames are not in order."""
    center = np.array([[[0.8, 0.5], [0.5, 0.2]], [[0.2, 0.5], [0.5, 0.2]]])
    nodes = dict(one=Nodes(center, np.full((2, 2, 2), 0.1)))
    empty = np.empty((2, 0, 4))
    return RegionClip(
        'clip', np.zeros((2, 0, 0, 3), np.uint8), np.array([11.0, 10.0]), 12, 10, nodes, np.array([0, 0, 1, 1]), empty,
        np.zeros(0, bool), None, None, [], {},
    )  # fmt: skip


@pytest.mark.parametrize('time, x', [(10, 0.2), (10.5, 0.5), (11, 0.8), (9, 0.2), (12, 0.8)])
def test_regions_are_interpolated_between_sampled_frames(clip, time, x):
    nodes = nodes_at(clip, 'one', time)
    np.testing.assert_allclose(nodes.center, [[[x, 0.5], [0.5, 0.2]]])
    np.testing.assert_allclose(nodes.half_size, 0.1)


def test_boxes_are_drawn_on_regions(clip):
    frame = np.full((100, 200, 3), 90, np.uint8)
    picture = draw_over(frame, 10.0, None, clip)
    colored = np.flatnonzero(np.ptp(picture.astype(int), axis=-1).max(0) > 100)
    assert picture.shape == frame.shape and 25 < colored.min() < 50 and colored.max() < 120
    assert not np.array_equal(picture, draw_over(frame, 11.0, None, clip))


def test_caption_is_above_the_frame(clip):
    frame = np.full((100, 200, 3), 90, np.uint8)
    picture = draw_over(frame, 10.0, 'a class (0.50)', None)
    assert picture.shape == (122, 200, 3) and np.array_equal(picture[22:], frame)
    assert (picture[:22] == 0).any() and (picture[:22] == 255).any()


def test_large_frames_are_shrunk(clip):
    one = clip._replace(times=clip.times[:1], nodes=dict(one=Nodes(*(part[:1] for part in clip.nodes['one'][:2]))))
    assert draw_over(np.zeros((1080, 1920, 3), np.uint8), 0, None, one).shape == (360, 640, 3)
