"""BoxLikelihood: boxes instead of motion."""

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample

from dyreg_mmaction.models.losses import BoxLikelihood
from dyreg_mmaction.models.losses.boxes import box_target, clip_objects
from dyreg_mmaction.ops import Regions

FRAMES = torch.zeros(2, 4, 3, 32, 32)
NONE = [np.nan] * 4


def sample(*boxes):
    """Return a video of one clip of four frames with these boxes."""
    given = ActionDataSample()
    given.set_field(np.array(boxes, np.float32).reshape(1, 1, -1, 4).repeat(4, axis=1), 'objects')
    return given


def regions(time=4):
    center = torch.full((2, time, 1, 2), 3.5, requires_grad=True)
    return Regions(center, torch.full_like(center, 2.0), (8, 4))


def test_objects_have_equal_weights_and_missing_ones_none():
    objects = torch.tensor([[0, 0, 0.5, 1], [0.75, 0.5, 1, 0.75], NONE, [-1, -1, -0.5, 0]]).expand(1, 4, 4, 4)
    (target,) = box_target(objects, regions())[:, 0]
    expected = torch.zeros(4, 8)
    expected[:, :4] += 0.5 / 16
    expected[2, 6:] += 0.5 / 2
    torch.testing.assert_close(target, expected)


def test_videos_with_different_numbers_of_objects():
    objects = clip_objects([sample([0, 0, 1, 1]), sample([0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1])])
    assert objects.shape == (2, 4, 2, 4) and objects[0, :, 1].isnan().all() and not objects[1].isnan().any()


@pytest.mark.parametrize('time', [4, 2])
def test_gradient_descent_moves_the_region_into_the_box(time):
    given = regions(time)
    samples = [sample([0, 0, 0.25, 0.5]), sample([0.5, 0.5, 1, 1])]
    optimizer = torch.optim.Adam([given.center], 0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss, _ = BoxLikelihood()({'plugin': given}, FRAMES, samples)
        loss.backward()
        optimizer.step()
    truth = torch.tensor([[0.125, 0.25], [0.75, 0.75]])
    assert (given.normalized().center[:, :, 0] - truth[:, None]).abs().max() < 0.08


def test_frames_without_objects_have_no_gradient():
    given = regions()
    BoxLikelihood()({'plugin': given}, FRAMES, [sample(NONE), sample()])[0].backward()
    assert not given.center.grad.any()


def test_missing_objects_raise_an_error():
    with pytest.raises(ValueError, match='got 2 videos, but only 1 with objects; add LoadObjects to the training'):
        BoxLikelihood()({'plugin': regions()}, FRAMES, [sample(), ActionDataSample()])
    with pytest.raises(ValueError, match='objects are of 2 clips of 4 frames, but the input has 2 clips of 3'):
        BoxLikelihood()({'plugin': regions()}, FRAMES[:, :3], [sample(), sample()])


def test_targets_are_computed_in_float32_under_autocast():
    samples = [sample([0.1, 0, 0.27, 0.5]), sample([0.51, 0.5, 1, 0.93])]
    expected, _ = BoxLikelihood()({'plugin': regions()}, FRAMES, samples)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(BoxLikelihood()({'plugin': regions()}, FRAMES, samples)[0], expected)
