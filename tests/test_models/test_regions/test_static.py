"""StaticRegions: learned, independent of the input."""

import torch

from dyreg_mmaction.models.regions import StaticRegions


def moved(**options) -> StaticRegions:
    source = StaticRegions(num_nodes=3, hidden_channels=5, **options)
    source.predictor.alpha.data.fill_(0.5)
    return source


def test_regions_are_the_same_for_all_frames_and_clips():
    center, half_size, _ = moved()(torch.randn(2, 4, 4, 8, 8))
    assert torch.equal(center, center[:1, :1].expand(2, 4, 3, 2))
    assert torch.equal(half_size, half_size[:1, :1].expand(2, 4, 3, 2))


def test_nodes_learn_different_regions():
    source = moved()
    center = source(torch.zeros(1, 1, 4, 8, 8)).center[0, 0]
    assert torch.pdist(center).min() > 1e-3
    center[0].sum().backward()
    grad = source.vectors.grad
    assert grad[0].abs().sum() > 0 and grad[1:].abs().sum() == 0


def test_size_can_stay_fixed():
    source = moved(predict_size=False, half_size=1 / 4)
    _, half_size, _ = source(torch.zeros(1, 1, 4, 8, 16))
    assert torch.equal(half_size[0, 0], torch.tensor([4.0, 2.0]).expand(3, 2))
