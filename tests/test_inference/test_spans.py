"""Windows of a video and their frames."""

import numpy as np
import pytest

from dyreg_mmaction.inference.spans import Cutter, cut

TENTHS = np.arange(106) / 10  # 105 frames, 10.5 seconds


def places(times, *window):
    return [(round(span.start, 6), round(span.end, 6), span.first, span.last) for span in cut(times, *window)]


def test_without_a_length_the_video_is_one_window():
    assert places(TENTHS) == [(0, 10.5, 0, 105)]


def test_windows_overlap_and_the_last_one_is_shorter():
    found = places(TENTHS, 2, 1)
    assert found[:2] == [(0, 2, 0, 20), (1, 3, 10, 30)]
    assert found[-2:] == [(8, 10, 80, 100), (9, 10.5, 90, 105)]


def test_without_a_stride_windows_do_not_overlap():
    assert places(TENTHS, 4) == [(0, 4, 0, 40), (4, 8, 40, 80), (8, 10.5, 80, 105)]


def test_window_that_ends_with_the_video_is_the_last_one():
    assert places(TENTHS[:101], 2, 1)[-1] == (8, 10, 80, 100)
    assert places(TENTHS[:11], 20, 1) == [(0, 1, 0, 10)]


def test_larger_stride_leaves_gaps():
    assert places(TENTHS, 1, 5) == [(0, 1, 0, 10), (5, 6, 50, 60), (10, 10.5, 100, 105)]


def test_window_without_a_new_frame_has_the_displayed_one():
    assert places([0, 5, 5.1], 2, 2) == [(0, 2, 0, 1), (2, 4, 0, 1), (4, 5.1, 1, 2)]


def test_one_frame():
    assert places([0, 0.04], 2, 1) == [(0, 0.04, 0, 1)]


@pytest.mark.parametrize('rate', [24, 25, 30000 / 1001, 12.5, 60])
@pytest.mark.parametrize('window', [(1, None), (2, 1), (0.5, 0.3)])
def test_every_frame_is_in_a_window(rate, window):
    times = np.arange(int(7.3 * rate) + 1) / rate
    spans = cut(times, *window)
    assert {number for span in spans for number in range(span.first, span.last)} == set(range(len(times) - 1))
    for span in spans:
        inside = (times[:-1] > span.start - 1e-6) & (times[:-1] < span.end - 1e-6)
        assert np.flatnonzero(inside).tolist() == list(range(span.first, span.last))


def test_unneeded_frames_are_dropped():
    cutter = Cutter(2, 1)
    for time in TENTHS:
        cutter.push(time)
        assert len(cutter.times) <= 21 and cutter.oldest >= 10 * time - 21


@pytest.mark.parametrize('window', [(0, 1), (2, 0), (-1, None), (float('nan'), 1)])
def test_invalid_lengths_raise_errors(window):
    with pytest.raises(ValueError, match='must be above 0 seconds'):
        Cutter(*window)
