"""KeypointRegions: regions of fixed size around the soft-argmax of heat maps."""

import pytest
import torch

from dyreg_mmaction.models.regions import KeypointRegions


class Heat(torch.nn.Module):
    """Returns the input as maps."""

    def forward(self, x):
        return x.flatten(2).softmax(-1).unflatten(2, x.shape[-2:])


def test_center_follows_a_peak_with_fixed_size():
    source = KeypointRegions(2, num_nodes=2, half_size=0.25)
    source.heat_maps = Heat()
    x = torch.zeros(1, 3, 2, 8, 12)
    for frame, (row, column) in enumerate([(1, 2), (2, 5), (7, 11)]):
        x[0, frame, 0, row, column] = 100
    regions = source(x)
    torch.testing.assert_close(regions.center[0, :, 0], torch.tensor([[2.0, 1], [5, 2], [11, 7]]))
    torch.testing.assert_close(regions.center[0, :, 1], torch.tensor([5.5, 3.5]).expand(3, 2))  # flat: the middle
    assert torch.equal(regions.half_size, torch.tensor([3.0, 2.0]).expand(1, 3, 2, 2))


def test_half_size_is_at_least_one_cell():
    assert KeypointRegions(4, half_size=0.01)(torch.zeros(1, 1, 4, 6, 6)).half_size.eq(1).all()


def test_gradient_reaches_all_parameters():
    source = KeypointRegions(4, num_nodes=2)
    source(torch.randn(1, 2, 4, 6, 6)).center.mul(1000).pow(2).sum().backward()
    for name, parameter in source.named_parameters():
        if name != 'heat_maps.maps.bias':  # softmax cancels it
            assert parameter.grad.abs().max() > 1e-6, name


@pytest.mark.parametrize('half_size', [0, 1.5, -1])
def test_half_size_out_of_range_raises_an_error(half_size):
    with pytest.raises(ValueError, match=f"half_size is {half_size}, but must be a fraction of the map's side"):
        KeypointRegions(4, half_size=half_size)
