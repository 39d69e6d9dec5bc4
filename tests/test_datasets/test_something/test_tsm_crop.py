import numpy as np
import pytest

from dyreg_mmaction.datasets.something.tsm_crop import TSMCrop


def numbered(height, width, frames=2):
    """Return frames whose pixels contain their position: (y, x, frame)."""
    y, x, t = np.meshgrid(np.arange(height), np.arange(width), np.arange(frames), indexing='ij')
    return list(np.stack([y, x, t], -1).transpose(2, 0, 1, 3))


def corners(results):
    return [tuple(img[0, 0, ::-1]) for img in results['imgs']]  # (frame, x, y)


# a free width of 199 is 4 * 49 + 3: MMAction2's ThreeCrop would take 0, 198, 99
@pytest.mark.parametrize('width, expected', [(455, (0, 196, 98)), (340, (0, 84, 42)), (256, (0, 0, 0))])
def test_three_crops_are_left_right_center(width, expected):
    results = TSMCrop(256, 3).transform(dict(imgs=numbered(256, width)))
    assert corners(results) == [(frame, x, 0) for x in expected for frame in (0, 1)]
    assert results['img_shape'] == (256, 256) == results['imgs'][0].shape[:2] == results['imgs'][-1].shape[:2]
    assert results['crop_bbox'].tolist() == [[x, 0, x + 256, 256] for x in expected for _ in (0, 1)]


def test_three_crops_of_portrait_frames():
    results = TSMCrop(8, 3).transform(dict(imgs=numbered(15, 12, 1)))
    assert corners(results) == [(0, 0, 2), (0, 4, 2), (0, 2, 2)]


# half pixels are rounded to even, as in Python: 115.5 -> 116, 58.5 -> 58
@pytest.mark.parametrize('width, x', [(455, 116), (341, 58), (340, 58), (224, 0)])
def test_center_crop_rounds_to_even(width, x):
    results = TSMCrop(224).transform(dict(imgs=numbered(256, width, 1)))
    assert corners(results) == [(0, x, 16)]


def test_small_frames_raise_an_error():
    with pytest.raises(ValueError, match='frames of 250 x 240 are smaller than crop_size=256'):
        TSMCrop(256, 3).transform(dict(imgs=numbered(240, 250, 1)))
    with pytest.raises(ValueError, match='num_crops is 5, but must be 1 or 3'):
        TSMCrop(224, 5)
