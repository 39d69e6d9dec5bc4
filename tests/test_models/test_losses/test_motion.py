"""MotionLikelihood: the formula, and clips in which the camera or the light moves."""

import math

import pytest
import torch

from dyreg_mmaction.models.losses import MotionLikelihood
from dyreg_mmaction.ops import Regions

T, SIZE, CELLS = 5, 32, 8


def textured(size=2 * SIZE, seed=0):
    """A background (3, size, size) with detail of several sizes."""
    generator = torch.Generator().manual_seed(seed)
    fields = [torch.rand(1, 3, size // k, size // k, generator=generator) for k in (1, 2, 4, 8)]
    return sum(torch.nn.functional.interpolate(field, size=(size, size), mode='nearest') for field in fields)[0]


def clip(camera=(0, 0), path=None, background=None):
    """A square of 6 pixels on its path (top left corners, T of them) in front of a camera that moves."""
    background = textured() if background is None else background
    frames = []
    for t in range(T):
        y, x = 16 + t * camera[1], 16 + t * camera[0]
        frame = background[:, y : y + SIZE, x : x + SIZE].clone()
        if path is not None:
            left, top = path[t]
            frame[:, top : top + 6, left : left + 6] = textured(8, seed=1)[:, :6, :6] + 1
        frames.append(frame)
    return torch.stack(frames)[None]  # (1,T,3,H,W)


PATH = [(4 + 4 * t, 20) for t in range(T)]


def regions(center=None, nodes=2, time=T, half=2.0):
    if center is None:
        center = torch.full((1, time, nodes, 2), 3.7)
    center = center.clone().requires_grad_()
    return Regions(center, torch.full_like(center, half), (CELLS, CELLS))


def lose(given, frames, **options):
    return MotionLikelihood(**options)({'plugin': given}, frames, [])


def test_it_is_the_formula_written_out():
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
    loss, measures = lose(given, frames, align=False)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert measures['disagreement'].item() == pytest.approx(math.exp(expected), rel=1e-4)


def test_descent_brings_a_region_to_what_moves_and_says_which():
    given = regions(torch.tensor([[2.0, 2.0], [6.0, 6.0]]).expand(1, T, 2, 2))
    frames = clip(path=PATH)
    optimizer = torch.optim.Adam([given.center], 0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss, measures = lose(given, frames)
        loss.backward()
        optimizer.step()
    truth = (torch.tensor(PATH) + 3) / SIZE  # (T,2)
    nearest = (given.normalized().center[0] - truth[:, None]).norm(dim=-1).min(1).values
    assert nearest[1:-1].max() < 0.12
    assert measures['plugin/share_0'] + measures['plugin/share_1'] > 0.8


def test_a_still_clip_teaches_nothing():
    given = regions()
    loss, measures = lose(given, clip())
    loss.backward()
    assert loss.item() == 0 and not given.center.grad.any()
    assert all(value.isfinite() for value in measures.values())


def test_one_frame_is_refused():
    with pytest.raises(ValueError, match='MotionLikelihood sees motion between frames, but the clips are of 1 frame'):
        lose(regions(time=1), clip()[:, :1])
