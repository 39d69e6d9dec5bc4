"""MotionLikelihood: the formula, and clips in which the camera or the light moves."""

import math

import numpy as np
import pytest
import torch
from mmaction.models.data_preprocessors import ActionDataPreprocessor
from mmaction.structures import ActionDataSample

from dyreg_mmaction.models.losses import MotionLikelihood
from dyreg_mmaction.models.losses.likelihood import likelihood_loss
from dyreg_mmaction.models.losses.motion import motion_target
from dyreg_mmaction.ops import Regions
from dyreg_mmaction.ops.motion import global_translation, motion_energy

T, SIZE, CELLS = 5, 64, 8


def textured(size=2 * SIZE, seed=0):
    """Return a background (3, size, size) with details of several sizes."""
    generator = torch.Generator().manual_seed(seed)
    fields = [torch.rand(1, 3, size // k, size // k, generator=generator) for k in (2, 4, 8, 16)]
    return sum(torch.nn.functional.interpolate(field, size=(size, size), mode='nearest') for field in fields)[0]


def clip(camera=(0, 0), path=None, background=None):
    """Return frames of a square of 12 pixels on a path (T top left corners) and a moving camera."""
    background = textured() if background is None else background
    frames = []
    for t in range(T):
        y, x = 32 + t * camera[1], 32 + t * camera[0]
        frame = background[:, y : y + SIZE, x : x + SIZE].clone()
        if path is not None:
            left, top = path[t]
            frame[:, top : top + 12, left : left + 12] = textured(16, seed=1)[:, :12, :12] + 1
        frames.append(frame)
    return torch.stack(frames)[None]  # (1,T,3,H,W)


PATH = [(8 + 8 * t, 40) for t in range(T)]


def regions(center=None, nodes=2, time=T, half=2.0):
    if center is None:
        center = torch.full((1, time, nodes, 2), 3.7)
    center = center.clone().requires_grad_()
    return Regions(center, torch.full_like(center, half), (CELLS, CELLS))


def lose(given, frames, **options):
    return MotionLikelihood(**options)({'plugin': given}, frames, [])


def test_loss_equals_its_formula():
    torch.manual_seed(0)
    frames = torch.rand(2, T, 3, 12, 16)
    given = Regions(torch.rand(2, T, 3, 2) * 3, 1 + torch.rand(2, T, 3, 2), (4, 3))
    expected = 0.0
    for b in range(2):
        for t in range(T):
            energy = torch.zeros(12, 16)
            for other in (t - 1, t + 1):
                if 0 <= other < T:
                    energy += (frames[b, t] - frames[b, other]).abs().mean(0)
            cells = torch.tensor(
                [[energy[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean() for x in range(4)] for y in range(3)]
            )
            excess = (cells - cells.mean()).clamp(min=0)
            for y in range(3):
                for x in range(4):
                    density = 0.0
                    for i in range(3):
                        value = 1.0
                        for position, length, axis in (((x + 0.5) / 4, 4, 0), ((y + 0.5) / 3, 3, 1)):
                            std = 0.8 * given.half_size[b, t, i, axis].item() / length / math.sqrt(6)
                            z = (position - given.center[b, t, i, axis].item() / length) / std
                            value *= math.exp(-z * z / 2) / (std * math.sqrt(2 * math.pi))
                        density += value / 3
                    expected -= (excess[y, x] / excess.sum()).item() * math.log(density + math.exp(-2)) / (2 * T)
    loss, measures = lose(given, frames, steady=False)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert measures['disagreement'].item() == pytest.approx(math.exp(expected), rel=1e-4)


def test_gradient_descent_moves_a_region_to_the_motion():
    given = regions(torch.tensor([[2.0, 2.0], [6.0, 6.0]]).expand(1, T, 2, 2))
    frames = clip(path=PATH)
    optimizer = torch.optim.Adam([given.center], 0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss, measures = lose(given, frames)
        loss.backward()
        optimizer.step()
    truth = (torch.tensor(PATH) + 6) / SIZE  # (T,2)
    nearest = (given.normalized().center[0] - truth[:, None]).norm(dim=-1).min(1).values
    assert nearest[1:-1].max() < 0.12
    assert 0.5 < measures['plugin/largest_share'] < 1 and 0.8 < measures['plugin/share'].sum() < 1


def inside(frames, **options):
    """Return the fraction of the target within the square's positions in each frame and its neighbours."""
    target = target_of(frames, **options)
    places = torch.zeros(T, SIZE, SIZE)
    for t in range(T):
        for left, top in PATH[max(t - 1, 0) : t + 2]:
            places[t, top : top + 12, left : left + 12] = 1
    cells = torch.nn.functional.adaptive_max_pool2d(places, CELLS)
    return (target[0] * cells).sum((-2, -1))


def target_of(frames, **options):
    return motion_target(motion_energy(frames, **options), regions())


def test_static_clip_has_no_gradient():
    given = regions()
    loss, measures = lose(given, clip())
    loss.backward()
    assert loss.item() == 0 and not given.center.grad.any()
    assert all(value.isfinite().all() for value in measures.values())


@pytest.mark.parametrize('name', ['noise', 'light', 'pan', 'cut'])
def test_global_changes_have_no_target(name):
    generator = torch.Generator().manual_seed(0)
    still, light = clip(), torch.randn(T, 1, 1, 1, generator=generator)
    frames = {
        'noise': still + 0.05 * torch.randn(still.shape, generator=generator),
        'light': still * (1 + 0.1 * light) + 0.2 * light.flip(0),
        'pan': clip(camera=(2, 1)),
        'cut': torch.cat((still[:, :2], clip(background=textured(seed=5))[:, 2:]), dim=1),
    }[name]
    given = regions()
    lose(given, frames)[0].backward()
    assert not given.center.grad.any()
    assert target_of(frames, steady=False).any()  # the compensated motion


@pytest.mark.parametrize('camera', [(5, 0), (-3, 4), (0, -2)])
def test_camera_motion_is_compensated(camera):
    frames = clip(camera, PATH)
    assert global_translation(frames[0, :-1], frames[0, 1:]).tolist() == [[-camera[0], -camera[1]]] * (T - 1)
    assert inside(frames).mean() > 0.9 > 0.8 > inside(frames, steady=False).mean()


def test_light_changes_are_compensated():
    gain = torch.tensor([1, 1.4, 0.8, 1.2, 0.7]).view(T, 1, 1, 1)
    frames = clip(path=PATH)
    torch.testing.assert_close(inside(frames * gain - gain), inside(frames), rtol=0.05, atol=0)
    assert inside(frames * gain - gain, steady=False).min() < 0.7


def test_cut_is_ignored_and_adjacent_motion_is_kept():
    frames = torch.cat((clip(path=PATH)[:, :2], clip(path=PATH, background=textured(seed=5))[:, 2:]), dim=1)
    assert inside(frames).min() > 0.9 > 0.7 > inside(frames, steady=False).min()


def test_larger_layer_rests_under_parallax():
    """The lower third is closer to a camera that moves sideways, so it moves faster."""
    frames, near = clip(camera=(3, 0)), clip(camera=(6, 0), background=textured(seed=5))
    frames[..., 42:, :] = near[..., 42:, :]
    far = target_of(frames)[0, :, :5]
    assert far.sum() < 0.1 * T < 0.3 * T < target_of(frames, steady=False)[0, :, :5].sum()


def test_moving_object_on_a_plain_background_is_not_camera_motion():
    frames = clip(path=PATH, background=torch.zeros(3, 128, 128))
    assert not global_translation(frames[0, :-1], frames[0, 1:]).any()
    torch.testing.assert_close(target_of(frames), target_of(frames, steady=False))


def test_map_with_fewer_frames_has_the_mean_energy():
    energy = motion_energy(clip(path=PATH)[:, :4])
    few = motion_target(energy, regions(time=2))
    assert few.shape == (1, 2, CELLS, CELLS)
    mean = motion_target(energy.unflatten(1, (2, 2)).mean(2), regions(time=2))
    torch.testing.assert_close(few, mean)


def test_one_frame_raises_an_error():
    with pytest.raises(ValueError, match='MotionLikelihood needs clips of at least 2 frames, but got 1'):
        lose(regions(time=1), clip()[:, :1])


def with_neighbours(frames, layout='NCHW'):
    """Return data samples as packed by the pipeline: uint8 in the layout of a recognizer's input."""
    samples = [ActionDataSample() for _ in frames]
    for sample, each in zip(samples, frames, strict=True):
        each = each.transpose(0, 1)[None] if layout == 'NCTHW' else each
        sample.set_field(np.ascontiguousarray(each.numpy()), 'neighbours')
    return samples


@pytest.mark.parametrize('layout', ['NCHW', 'NCTHW'])
@pytest.mark.parametrize('time', [1, T])
def test_neighbours_give_motion_for_a_single_frame(layout, time):
    """Neighbours are not normalized by the pipeline, and are normalized like the frames."""
    raw = (60 * clip(path=PATH)).byte()
    adjacent = (60 * clip(path=[(left + 2, top) for left, top in PATH])).byte()
    preprocessor = ActionDataPreprocessor([100, 110, 120], [50, 60, 70], format_shape=layout)
    mean, std = (value.view(3, 1, 1) for value in (preprocessor.mean, preprocessor.std))
    loss = MotionLikelihood(neighbours=True)
    loss.check({}, preprocessor)
    given = regions(time=time)
    value, _ = loss({'plugin': given}, (raw[:, :time] - mean) / std, with_neighbours(adjacent[:, :time], layout))
    value.backward()
    assert given.center.grad.any(-1).all()
    energy = motion_energy((raw - mean) / std, neighbours=(adjacent - mean) / std)
    targets = motion_target(energy[:, :time], given)
    torch.testing.assert_close(value, likelihood_loss({'plugin': given}, {'plugin': targets})[0])


def test_energy_of_neighbours_is_at_the_current_position():
    """Differences of sampled frames also include the previous and the next position of the object."""
    frames, adjacent = clip(path=PATH), clip(path=[(left + 1, top) for left, top in PATH])
    places = torch.zeros(T, SIZE, SIZE)
    for t, (left, top) in enumerate(PATH):
        places[t, top : top + 12, left : left + 13] = 1
    energies = motion_energy(frames), motion_energy(frames, neighbours=adjacent)
    far, near = ((energy[0] * places).sum((-2, -1)) / energy[0].sum((-2, -1)) for energy in energies)
    assert near.min() == 1 and far.max() < 0.8


def test_neighbours_with_a_moving_camera():
    frames, adjacent = clip((5, 0), PATH), clip((5, 0), [(left + 2, top) for left, top in PATH]).roll(-3, -1)
    target = motion_target(motion_energy(frames, neighbours=adjacent), regions())
    assert target[0, :, 4:7].sum() > 0.9 * T  # the rows of the moving object


def test_missing_neighbours_raise_an_error():
    loss = MotionLikelihood(neighbours=True)
    loss.check({}, ActionDataPreprocessor())
    samples = with_neighbours(clip().byte()) + [ActionDataSample()]
    with pytest.raises(ValueError, match='got 2 videos, but only 1 with neighbours; put WithNeighbours after SampleF'):
        loss({'plugin': regions()}, clip().expand(2, -1, -1, -1, -1), samples)


@pytest.mark.parametrize('option', ['steady', 'neighbours'])
def test_options_that_are_not_bool_raise_errors(option):
    with pytest.raises(ValueError, match=f"{option} of MotionLikelihood is 'x', but must be True or False"):
        MotionLikelihood(**{option: 'x'})


@pytest.mark.parametrize('options', [{}, dict(steady=False)])
def test_targets_are_computed_in_float32_under_autocast(options):
    frames, center = clip((5, 0), PATH), torch.rand(1, T, 2, 2, generator=torch.Generator().manual_seed(0)) * CELLS
    expected, measures = lose(regions(center), frames, **options)
    with torch.autocast('cpu', torch.bfloat16):
        given, under_autocast = lose(regions(center), frames, **options)
    assert torch.equal(given, expected)
    assert all(torch.equal(under_autocast[key], value) for key, value in measures.items())


def soft(seed):
    """Return a blurred background (3, 128, 128) without details."""
    detail, kernel = textured(seed=seed)[None], torch.exp(-0.5 * (torch.arange(-12.0, 13) / 4) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    for weight in (kernel, kernel.transpose(2, 3)):
        padding = [12 * (weight.shape[3] > 1)] * 2 + [12 * (weight.shape[2] > 1)] * 2
        detail = torch.nn.functional.conv2d(torch.nn.functional.pad(detail, padding, mode='reflect'), weight, groups=3)
    return (4 * (detail - detail.mean()) / detail.std())[0]


@pytest.mark.parametrize('camera', [(1, 0), (0, -2), (2, 2), (-3, 0), (0, 0)])
def test_camera_motion_over_a_smooth_background_is_compensated(camera):
    """There the highest peak of the phase correlation is that of the window, which does not move."""
    correct, target = [], []
    for seed in range(4):
        frames = clip(camera, PATH, soft(seed))
        shift = global_translation(frames[0, :-1], frames[0, 1:])
        correct.append((shift == -torch.tensor(camera)).all(1).float().mean())
        target.append(inside(frames).mean())
    assert sum(correct) / 4 > 0.9 and sum(target) / 4 > 0.9


def test_fraction_of_frames_with_a_target_is_logged():
    frames = torch.cat((clip(path=PATH), clip()))
    center = torch.full((2, T, 2, 2), 3.7)
    _, measures = lose(regions(center), frames)
    assert measures['frames_with_target'] == 0.5
