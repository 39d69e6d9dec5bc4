"""Motion in a clip, optionally without global changes of the frame."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .resize import adaptive_avg_pool

BAND = 0.1  # standard deviation of the frequency weights, in cycles per pixel
PEAKS = 8  # number of local maxima of the correlation that are tested
STEPS = 6  # number of refinement steps of one pixel, starting at the best maximum
SAMPLES = 32  # side of the grid of pixels that are compared during the search
CELLS = 16  # side of the grid over which the median difference is taken


def motion_energy(frames: Tensor, steady: bool = True, neighbours: Tensor | None = None) -> Tensor:
    """Compute the difference of each frame to the previous and the next one, |f(t) - f(t-1)| + |f(t+1) - f(t)|.

    Args:
        frames (Tensor[B, T, C, H, W]): Clips.
        steady (bool): Whether to compensate global changes: of light (:func:`match_light`), by translation
            (:func:`global_translation`), and differences without local motion (:func:`shows_motion`). Pixels without
            a counterpart in the other frame then have no energy.
        neighbours (Tensor[B, T, C, H, W], optional): A frame g(t) close to each frame; the result is |g(t) - f(t)|.

    Returns:
        Tensor[B, T, H, W]: Mean over the channels.
    """
    if neighbours is not None:
        return _change(frames, neighbours, steady)[0]
    change, shift = _change(frames[:, :-1], frames[:, 1:], steady)  # aligned with the first frame
    later, _ = translate(change.flatten(0, 1)[:, None], -shift)  # aligned with the second
    later = later.view_as(change)
    return F.pad(change, (0, 0, 0, 0, 0, 1)) + F.pad(later, (0, 0, 0, 0, 1, 0))


def _change(first: Tensor, second: Tensor, steady: bool) -> tuple[Tensor, Tensor]:
    """Return the difference (B, P, H, W) of frames (B, P, C, H, W) and the translation between them (B * P, 2)."""
    pairs = first.shape[:2]
    first, second = first.flatten(0, 1), second.flatten(0, 1)  # (M,C,H,W)
    if not steady:
        return _difference(first, second).unflatten(0, pairs), torch.zeros(len(first), 2, device=first.device).long()
    second = match_light(first, second)
    shift = global_translation(first, second)
    moved, inside = translate(second, shift)
    change = (_difference(first, moved) * inside).unflatten(0, pairs)
    return change * shows_motion(change)[..., None, None], shift


def match_light(first: Tensor, second: Tensor) -> Tensor:
    """Give the second frames the brightness and contrast of the first if that lowers the median difference.

    Args:
        first (Tensor[M, C, H, W]): Frames.
        second (Tensor[M, C, H, W]): Frames to adapt.

    Returns:
        Tensor[M, C, H, W]: The adapted second frames.
    """
    (mean, spread), (other_mean, other_spread) = (
        (x.mean((-2, -1), keepdim=True), x.std((1, 2, 3), keepdim=True).clamp(min=1e-6)) for x in (first, second)
    )
    matched = (second - other_mean) * (spread / other_spread) + mean
    better = _median(_difference(first, matched)) < _median(_difference(first, second))
    return torch.where(better[:, None, None, None], matched, second)


def global_translation(first: Tensor, second: Tensor) -> Tensor:
    """Estimate the translation s of the whole frame, second(p + s) = first(p), by phase correlation.

    The peak with the lowest median difference is refined in steps of one pixel as long as the median decreases. The
    refinement is needed for smooth backgrounds, where the peak of a small translation merges with that of no
    translation. The result is 0 if no translation lowers the median difference, that is, if less than about half of
    the frame follows it. A large object that moves over a plain background is therefore not mistaken for camera motion.

    Args:
        first (Tensor[M, C, H, W]): Frames.
        second (Tensor[M, C, H, W]): The frames that follow.

    Returns:
        Tensor[M, 2]: Translations as (x, y), in whole pixels.

    Source: Kuglin and Hines, The phase correlation image alignment method (1975).
    """
    shift = torch.zeros(len(first), 2, dtype=torch.long, device=first.device)
    medians = torch.full((len(first),), torch.inf, device=first.device)
    candidates = torch.cat((shift[:, None], phase_correlation(first.mean(1), second.mean(1))), dim=1)  # (M,K,2)
    around = torch.tensor([(-1, 0), (1, 0), (0, -1), (0, 1)], device=first.device)
    falling = torch.arange(len(first), device=first.device)  # pairs whose median difference decreased in the last step
    for _ in range(1 + STEPS):
        lowest, index = _median_after(first[falling], second[falling], candidates).min(1)
        best = candidates.gather(1, index[:, None, None].expand(-1, 1, 2))[:, 0]
        lower = lowest < medians[falling]
        falling, lowest, best = falling[lower], lowest[lower], best[lower]
        medians[falling], shift[falling] = lowest, best
        candidates = best[:, None] + around
    return shift


def _median_after(first: Tensor, second: Tensor, shifts: Tensor) -> Tensor:
    """Return the median difference (M, K) of frames (M, C, H, W) after each of the translations (M, K, 2).

    Only a grid of pixels is compared. Pixels outside the translated frame are replaced by those of the untranslated
    frame; if they are more than half, the median is infinite.
    """
    height, width = first.shape[-2:]
    step = max(1, min(height, width) // SAMPLES)
    row, column = (torch.arange(step // 2, n, step, device=first.device) for n in (height, width))
    x, y = column + shifts[..., :1], row + shifts[..., 1:]  # (M,K,w), (M,K,h)
    inside = ((y >= 0) & (y < height))[..., :, None] & ((x >= 0) & (x < width))[..., None, :]  # (M,K,h,w)
    place = y.clamp(0, height - 1)[..., :, None] * width + x.clamp(0, width - 1)[..., None, :]
    place = torch.where(inside, place, row[:, None] * width + column).flatten(1)  # (M,K*h*w)
    moved = second.flatten(2).gather(2, place[:, None].expand(-1, second.shape[1], -1)).unflatten(2, inside.shape[1:])
    sampled = first[:, :, None, row[:, None], column]  # (M,C,1,h,w)
    medians = _median(_difference(sampled, moved).flatten(0, 1)).view(shifts.shape[:2])
    return medians.masked_fill(inside.flatten(2).float().mean(-1) < 0.5, torch.inf)


def phase_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return the highest peaks of the phase correlation of gray frames.

    Frames are faded out over the outer 5 % of each side because the Fourier transform is periodic. High frequencies are
    weighted down: the sharp outline of one object has more of them than a smooth background of the whole frame. Several
    peaks are returned because the peak of a smooth background is often lower than that of a still object or of the
    fading.

    Args:
        first (Tensor[M, H, W]): Frames.
        second (Tensor[M, H, W]): The frames that follow.

    Returns:
        Tensor[M, PEAKS, 2]: Translations as (x, y), in whole pixels.
    """
    height, width = first.shape[-2:]
    window = _fade(height, first)[:, None] * _fade(width, first)
    spectra = [torch.fft.rfft2((x - x.mean((-2, -1), keepdim=True)) * window) for x in (first, second)]
    cross = spectra[0].conj() * spectra[1]
    rows, columns = (f(n, device=first.device) for f, n in ((torch.fft.fftfreq, height), (torch.fft.rfftfreq, width)))
    band = torch.exp(-0.5 * (rows[:, None] ** 2 + columns**2) / BAND**2)
    correlation = torch.fft.irfft2(band * cross / cross.abs().clamp(min=1e-12), s=(height, width))
    around = F.max_pool2d(F.pad(correlation[:, None], (1, 1, 1, 1), mode='circular'), 3, 1)[:, 0]
    maxima = correlation.masked_fill(correlation < around, -torch.inf).flatten(1)
    peak = maxima.topk(min(PEAKS, maxima.shape[1])).indices  # (M,PEAKS)
    y, x = peak // width, peak % width
    return torch.stack((x - width * (x > width // 2), y - height * (y > height // 2)), dim=-1)


def translate(maps: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Translate maps by whole pixels: ``out(p) = maps(p + shift)``, 0 where p + shift is outside.

    Args:
        maps (Tensor[M, C, H, W]): Maps.
        shift (Tensor[M, 2]): Translations (x, y), in whole pixels.

    Returns:
        tuple[Tensor[M, C, H, W], Tensor[M, H, W]]: The translated maps, and whether p + shift is inside.
    """
    height, width = maps.shape[-2:]
    columns = torch.arange(width, device=maps.device) + shift[:, :1]  # (M,W)
    rows = torch.arange(height, device=maps.device) + shift[:, 1:]  # (M,H)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None]
    index = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None]  # (M,H,W)
    moved = maps.flatten(2).gather(2, index.flatten(1)[:, None].expand(-1, maps.shape[1], -1))
    return moved.unflatten(2, (height, width)) * inside[:, None], inside


def shows_motion(change: Tensor) -> Tensor:
    """Return whether frame differences come from local motion.

    They do not if the median is close to the mean (noise, a change of light), nor if the median is large and the mean
    is much larger than in most frame pairs of the clip (a cut, a jerk of the camera).

    Args:
        change (Tensor[B, P, H, W]): Differences of P frame pairs.

    Returns:
        Tensor[B, P]: bool.
    """
    mean, median = change.mean((-2, -1)), _median(change.flatten(0, 1)).unflatten(0, change.shape[:2])
    usual = mean.sort(1).values[:, (mean.shape[1] - 1) // 2, None]
    return (median < 0.7 * mean) & ~((median > 0.2 * mean) & (mean > 3 * usual))


def _difference(first: Tensor, second: Tensor) -> Tensor:
    return (second - first).abs().mean(1)


def _median(change: Tensor) -> Tensor:
    """Return the median over the cells of a grid, Tensor[M], of Tensor[M, H, W]."""
    cells = adaptive_avg_pool(change, (min(CELLS, change.shape[-2]), min(CELLS, change.shape[-1]))).flatten(1)
    return cells.sort(1).values[:, cells.shape[1] // 2]


def _fade(length: int, like: Tensor) -> Tensor:
    """Tukey window."""
    middle = torch.arange(length, device=like.device) + 0.5
    edge = torch.minimum(middle, length - middle) / (0.05 * length)
    return 0.5 - 0.5 * torch.cos(torch.pi * edge.clamp(max=1))
