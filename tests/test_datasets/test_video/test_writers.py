"""Written videos and GIFs contain the given frames with the given durations."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dyreg_mmaction.datasets.video import check_video, read_frames, write_video
from dyreg_mmaction.datasets.video.writers import hold_frames, write_gif


def stripes(num_frames: int = 12, height: int = 48, width: int = 64) -> np.ndarray:
    """Return frames with a white column that moves by 4 pixels per frame."""
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    for t, frame in enumerate(frames):
        frame[:, 4 * t : 4 * t + 4] = 255
    return frames


@pytest.mark.parametrize('name', ['a.mp4', 'a.webm'])
def test_video_has_the_frames_in_order_at_its_rate(tmp_path, name):
    write_video(tmp_path / name, stripes(), fps=7.5)
    times, frames = zip(*read_frames(tmp_path / name), strict=True)
    assert times == pytest.approx(np.arange(12) / 7.5, abs=2e-3)  # WebM counts in milliseconds
    assert [frame[:, :, 1].mean(0).argmax() // 4 for frame in frames] == list(range(12))
    assert list(tmp_path.iterdir()) == [tmp_path / name] and check_video(tmp_path / name) == (12, '')


def test_frames_from_a_generator_and_quality(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (4, 48, 64, 3), np.uint8)
    sizes = []
    for crf in (10, 40):
        write_video(tmp_path / 'a.mp4', iter(noise), fps=12, crf=crf)
        sizes.append((tmp_path / 'a.mp4').stat().st_size)
    assert sizes[0] > 2 * sizes[1]


@pytest.mark.parametrize('name, shape', [('a.mp4', (48, 64)), ('a.webm', (47, 63))])
def test_odd_sides_are_kept_or_made_even(tmp_path, name, shape):
    write_video(tmp_path / name, stripes(height=47, width=63), fps=12)
    _, frame = next(read_frames(tmp_path / name))
    assert frame.shape == (*shape, 3)


def test_same_frames_give_the_same_bytes(tmp_path):
    for name in ('a.webm', 'b.webm'):
        write_video(tmp_path / name, stripes(), fps=12)
    assert (tmp_path / 'a.webm').read_bytes() == (tmp_path / 'b.webm').read_bytes()


def test_other_extensions_raise_errors(tmp_path):
    with pytest.raises(ValueError, match=r'a.gif has an unsupported extension; rename it to .mp4 or .webm'):
        write_video(tmp_path / 'a.gif', stripes(), fps=12)


def test_failed_encoder_keeps_the_old_file(tmp_path):
    (tmp_path / 'a.webm').write_bytes(b'before')
    frames = np.zeros((4, 240, 320, 3), np.float64)  # no encoder accepts it
    with pytest.raises(ValueError):
        write_video(tmp_path / 'a.webm', frames, fps=12)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [('a.webm', b'before')]


def test_frames_are_held_until_the_next():
    assert hold_frames(np.array([0.1, 0.5]), 1.0, 10).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_gif_frames_have_their_durations(tmp_path: Path):
    write_gif(tmp_path / 'a.gif', stripes(3), np.array([0, 0.2, 0.5]), 0.6)
    with Image.open(tmp_path / 'a.gif') as gif:
        assert [gif.seek(i) or gif.info['duration'] for i in range(gif.n_frames)] == [200, 300, 100]
