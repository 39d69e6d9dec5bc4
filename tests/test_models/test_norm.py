"""Standardization over the batch: statistics of training and evaluation, in one and two processes."""

import pytest
import torch
import torch.distributed as dist
from forks import Forks

from dyreg_mmaction.models.norm import BatchStandardize
from dyreg_mmaction.models.regions import DynamicRegions


def test_each_node_and_channel_is_standardized_over_clips_and_frames():
    x = torch.randn(4, 3, 2, 5) * torch.arange(1, 6) + torch.tensor([[7.0], [-3.0]])
    y = BatchStandardize(2, 5)(x)
    assert y.shape == x.shape
    torch.testing.assert_close(y.mean((0, 1)), torch.zeros(2, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var((0, 1), correction=0), torch.ones(2, 5), atol=1e-4, rtol=0)
    torch.testing.assert_close((x[:, :, 1, 3] - x[:, :, 1, 3].mean()) / x[:, :, 1, 3].std(correction=0), y[:, :, 1, 3])


def test_known_values():
    x = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(2, 2, 1, 1)
    expected = torch.tensor([-3.0, -1.0, 1.0, 3.0]) / 5**0.5
    torch.testing.assert_close(BatchStandardize(1, 1, eps=1e-12)(x).flatten(), expected)


def test_evaluation_uses_running_statistics_and_a_clip_does_not_depend_on_the_batch():
    norm = BatchStandardize(1, 1, momentum=0.5, eps=1e-12)
    norm(torch.tensor([1.0, 3.0]).view(2, 1, 1, 1))  # mean 2, unbiased variance 2
    assert (norm.running_mean.item(), norm.running_var.item()) == (1, 1.5)
    norm.eval()
    x = torch.tensor([4.0, 9.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(norm(x).flatten(), (x.flatten() - 1) / 1.5**0.5)
    assert torch.equal(norm(x[1:]), norm(x)[1:])
    assert (norm.running_mean.item(), norm.running_var.item()) == (1, 1.5)


def test_half_precision_is_standardized_in_float32():
    x = 1e4 + torch.randn(4, 3, 2, 5)
    with torch.autocast('cpu', torch.bfloat16):
        y = BatchStandardize(2, 5)(x.bfloat16())
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, BatchStandardize(2, 5)(x.bfloat16().float()))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float64])
def test_running_statistics_of_a_converted_module_follow_the_batches(dtype):
    norm = BatchStandardize(2, 5).to(dtype)
    for _ in range(100):
        norm(3 + 2 * torch.randn(40, 3, 2, 5).to(dtype))
    assert norm.running_mean.dtype == dtype
    torch.testing.assert_close(norm.running_mean, torch.full((10,), 3, dtype=dtype), rtol=0.1, atol=0)
    torch.testing.assert_close(norm.running_var, torch.full((10,), 4, dtype=dtype), rtol=0.25, atol=0)


def test_two_processes_compute_the_same_as_one(tmp_path):
    """Regions, gradients and running statistics of 3 and 2 clips are those of 5."""

    def build():
        torch.manual_seed(0)
        regions = DynamicRegions(4, (6, 6), 2, hidden_channels=4, standardize=True)
        torch.nn.init.normal_(regions.predictor.alpha)
        return regions

    def train():
        dist.init_process_group('gloo')
        own = slice(0, 3) if dist.get_rank() == 0 else slice(3, 5)
        clips = torch.randn(2, 5, 3, 4, 6, 6, generator=torch.Generator().manual_seed(1))
        regions = build()
        for batch in clips:
            regions.zero_grad()
            center = regions(batch[own]).center
            center.sin().sum().backward()
        torch.testing.assert_close(center, expected[own])
        for name, parameter in regions.named_parameters():
            dist.all_reduce(parameter.grad)
            torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-5, msg=name)
        for name, value in regions.named_buffers():
            torch.testing.assert_close(value, buffers[name], msg=name)
        dist.destroy_process_group()

    alone = build()
    for batch in torch.randn(2, 5, 3, 4, 6, 6, generator=torch.Generator().manual_seed(1)):
        alone.zero_grad()
        center = alone(batch).center
        center.sin().sum().backward()
    expected = center.detach()
    gradients = {name: parameter.grad for name, parameter in alone.named_parameters()}
    buffers = dict(alone.named_buffers())
    assert gradients['heads.0.embed.0.weight'].abs().max() > 1e-3
    Forks(train, tmp_path, 2).succeed()


def test_one_frame_of_one_clip_is_an_error():
    with pytest.raises(ValueError, match='Expected more than 1 value per channel'):
        BatchStandardize(2, 5)(torch.randn(1, 1, 2, 5))
