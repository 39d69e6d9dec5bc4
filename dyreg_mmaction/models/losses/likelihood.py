"""Likelihood of a target density under a mixture of Gaussians, one per region."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from dyreg_mmaction.ops import Regions

FLOOR = math.exp(-2)  # limits the cost of positions outside of all regions to 2
NARROW = 0.8 / 6**0.5  # standard deviation over half size: a tent of half size s has the variance s^2 / 6


def likelihood_loss(regions: Mapping[str, Regions], targets: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    r"""Compute the negative log-likelihood of a target density under the mixture of regions, and values to log.

    .. math::
        L = - \sum_p S(p) \log\left(\frac1N \sum_i G_i(p) + e^{-2}\right)

    averaged over clips and frames, summed over plugins. p is in 0..1 of the frame. G_i is the density of a Gaussian at
    the region's center with a standard deviation of 0.8 / sqrt(6) times the half size along each axis.

    Args:
        regions (Mapping[str, Regions]): Regions (B, T, N, 2), by plugin path.
        targets (Mapping[str, Tensor[B, T, H, W]]): S, which sums to 1, or to 0 in frames without a target.

    Returns:
        tuple: L, and the values to log. ``share`` of each plugin is the fraction of S that is assigned to each node by
        its posterior in the mixture. ``disagreement`` is :math:`e^L` over the frames with a target, the inverse of the
        regions' density (1: chance level). ``frames_with_target`` is the fraction of frames with a target.
    """
    losses, measures, provided = [], {}, []
    for path, each in regions.items():
        target = targets[path].float()
        kx, ky = (axis_density(each, axis, target.shape[-1 - axis]) for axis in (0, 1))  # (B,T,N,W), (B,T,N,H)
        mixture = ky.transpose(-2, -1) @ kx / each.center.shape[2] + FLOOR  # (B,T,H,W)
        losses.append(-(target * mixture.log()).sum((-2, -1)).mean())
        with torch.no_grad():
            provided.append(target.sum((-2, -1)).mean())
            share = (ky @ (target / mixture) * kx).sum(-1).mean((0, 1)) / each.center.shape[2]
            measures[f'{path}/share'] = share / provided[-1].clamp(min=1e-6)
            measures[f'{path}/largest_share'] = measures[f'{path}/share'].max()
    loss = torch.stack(losses).sum()
    measures['disagreement'] = (loss.detach() / torch.stack(provided).sum().clamp(min=1e-6)).exp()
    measures['frames_with_target'] = torch.stack(provided).mean()
    return loss, measures


def axis_density(regions: Regions, axis: int, length: int) -> Tensor:
    """Return the density of each region's Gaussian along an axis (0: x), Tensor[B, T, N, length] for its cells."""
    center, half_size, _ = regions.normalized()
    # a narrower Gaussian could fall between the cells
    std = (half_size[..., axis, None].float() * NARROW).clamp(min=0.25 / length)
    middle = (torch.arange(length, device=std.device) + 0.5) / length
    z = (middle - center[..., axis, None].float()) / std
    return (-0.5 * z.square()).exp() / (std * (2 * torch.pi) ** 0.5)
