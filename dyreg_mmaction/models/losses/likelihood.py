"""Regions as a mixture of gaussians, and how well it explains where something is."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from dyreg_mmaction.ops import Regions

FLOOR = math.exp(-2)  # what lies outside of all regions costs no more than 2
NARROW = 0.8 / 6**0.5  # standard deviation over half size: a tent of half size s has the variance s^2 / 6


def likelihood_loss(regions: Mapping[str, Regions], targets: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    r"""How badly regions explain where something is, and what is to be logged about it.

    .. math::
        L = - \sum_p S(p) \log\left(\frac1N \sum_i G_i(p) + e^{-2}\right)

    averaged over clips and frames, summed over plugins; p in 0..1 of the frame, G_i the density of a gaussian at the
    region's centre, of standard deviation 0.8 / sqrt(6) times its half size along each axis.

    Args:
        regions (Mapping[str, Regions]): Of (B, T, N, 2), by the path of their plugin.
        targets (Mapping[str, Tensor[B, T, H, W]]): S, of the sum 1, or 0 in frames that say nothing.

    Returns:
        tuple: L; and of each plugin ``share``, the part of S that each node answers for, its posterior in the mixture.
        ``disagreement`` is :math:`e^L` over the frames that say something, the inverse of the regions' density (1: no
        better than chance). ``frames_with_target`` is the fraction of frames that say something.
    """
    losses, measures, said = [], {}, []
    for path, each in regions.items():
        target = targets[path].float()
        kx, ky = (axis_density(each, axis, target.shape[-1 - axis]) for axis in (0, 1))  # (B,T,N,W), (B,T,N,H)
        mixture = ky.transpose(-2, -1) @ kx / each.center.shape[2] + FLOOR  # (B,T,H,W)
        losses.append(-(target * mixture.log()).sum((-2, -1)).mean())
        with torch.no_grad():
            said.append(target.sum((-2, -1)).mean())
            share = (ky @ (target / mixture) * kx).sum(-1).mean((0, 1)) / each.center.shape[2]
            measures[f'{path}/share'] = share / said[-1].clamp(min=1e-6)
            measures[f'{path}/largest_share'] = measures[f'{path}/share'].max()
    loss = torch.stack(losses).sum()
    measures['disagreement'] = (loss.detach() / torch.stack(said).sum().clamp(min=1e-6)).exp()
    measures['frames_with_target'] = torch.stack(said).mean()
    return loss, measures


def axis_density(regions: Regions, axis: int, length: int) -> Tensor:
    """Density of each region's gaussian along one axis (0: x), at ``length`` cells: Tensor[B, T, N, length]."""
    center, half_size, _ = regions.normalized()
    # a narrower one would fall between the cells
    std = (half_size[..., axis, None].float() * NARROW).clamp(min=0.25 / length)
    middle = (torch.arange(length, device=std.device) + 0.5) / length
    z = (middle - center[..., axis, None].float()) / std
    return (-0.5 * z.square()).exp() / (std * (2 * torch.pi) ** 0.5)
