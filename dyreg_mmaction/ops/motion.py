"""Where something moves in a clip that the camera does not move."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .resize import adaptive_avg_pool

CELLS = 16  # a side of the grid on which a translation has to show its worth


def motion_energy(frames: Tensor, align: bool = True) -> Tensor:
    """Difference of each frame to the one before and the one after, |f(t) - f(t-1)| + |f(t+1) - f(t)|.

    Args:
        frames (Tensor[B, T, C, H, W]): Clips.
        align (bool): Whether the translation of the whole frame between two frames is taken out first, where one
            shows (:func:`global_translation`); what has no counterpart in the other frame then has no energy.

    Returns:
        Tensor[B, T, H, W]: Mean over the channels.
    """
    first, second = frames[:, :-1], frames[:, 1:]
    if not align:
        change = (second - first).abs().mean(2)  # (B,T-1,H,W)
        return F.pad(change, (0, 0, 0, 0, 0, 1)) + F.pad(change, (0, 0, 0, 0, 1, 0))
    pairs = first.shape[:2]
    first, second = first.flatten(0, 1), second.flatten(0, 1)  # (M,C,H,W)
    shift = global_translation(first, second)
    moved, inside = translate(second, shift)
    change = (moved - first).abs().mean(1) * inside  # (M,H,W), in the place of the first frame
    later, _ = translate(change[:, None], -shift)  # the same in the place of the second
    before, after = change.unflatten(0, pairs), later[:, 0].unflatten(0, pairs)
    return F.pad(before, (0, 0, 0, 0, 0, 1)) + F.pad(after, (0, 0, 0, 0, 1, 0))


def global_translation(first: Tensor, second: Tensor) -> Tensor:
    """Whole pixels s by which the frame as a whole has moved: second(p + s) = first(p), by phase correlation.

    It is 0 where it would not lower the median difference of a grid of cells, i.e. where less than about half of the
    frame goes with it: a large object that moves over a plain background is no camera.

    Args:
        first (Tensor[M, C, H, W]): Frames.
        second (Tensor[M, C, H, W]): Their followers.

    Returns:
        Tensor[M, 2]: As (x, y), integers.

    Source: Kuglin and Hines, The phase correlation image alignment method (1975).
    """
    shift = phase_correlation(first.mean(1), second.mean(1))
    moved, inside = translate(second, shift)
    still = (second - first).abs().mean(1)
    aligned = torch.where(inside, (moved - first).abs().mean(1), still)
    return shift * (_median(aligned) < 0.8 * _median(still))[:, None]


def phase_correlation(first: Tensor, second: Tensor) -> Tensor:
    """The peak of the correlation of the phases of grey frames Tensor[M, H, W]: Tensor[M, 2], see above."""
    height, width = first.shape[-2:]
    rows, columns = (torch.hann_window(n, False, device=first.device, dtype=first.dtype) for n in (height, width))
    window = rows[:, None] * columns  # a frame does not go on at its other side
    spectra = [torch.fft.rfft2((x - x.mean((-2, -1), keepdim=True)) * window) for x in (first, second)]
    cross = spectra[0].conj() * spectra[1]
    peak = torch.fft.irfft2(cross / cross.abs().clamp(min=1e-12), s=(height, width)).flatten(1).argmax(1)
    y, x = peak // width, peak % width
    return torch.stack((x - width * (x > width // 2), y - height * (y > height // 2)), dim=1)


def translate(maps: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """``out(p) = maps(p + shift)``, 0 where that lies outside.

    Args:
        maps (Tensor[M, C, H, W]): Maps.
        shift (Tensor[M, 2]): Whole pixels (x, y).

    Returns:
        tuple[Tensor[M, C, H, W], Tensor[M, H, W]]: The moved maps, and whether p + shift lies inside.
    """
    height, width = maps.shape[-2:]
    columns = torch.arange(width, device=maps.device) + shift[:, :1]  # (M,W)
    rows = torch.arange(height, device=maps.device) + shift[:, 1:]  # (M,H)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None]
    index = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None]  # (M,H,W)
    moved = maps.flatten(2).gather(2, index.flatten(1)[:, None].expand(-1, maps.shape[1], -1))
    return moved.unflatten(2, (height, width)) * inside[:, None], inside


def _median(change: Tensor) -> Tensor:
    """Median over the cells of a grid: Tensor[M] from Tensor[M, H, W]."""
    cells = adaptive_avg_pool(change, (min(CELLS, change.shape[-2]), min(CELLS, change.shape[-1]))).flatten(1)
    return cells.sort(1).values[:, cells.shape[1] // 2]
