"""Which videos a run of a study sees."""

from itertools import islice

from dyreg_mmaction.datasets import SpreadSampler, StreamSampler


def stream(count, **options):
    return list(islice(StreamSampler(range(10), **options), count))


def test_stream_shows_each_video_once_an_epoch_and_can_start_anywhere():
    videos = stream(25, seed=3)
    assert sorted(videos[:10]) == sorted(videos[10:20]) == list(range(10))
    assert videos[:10] != videos[10:20] and videos != stream(25, seed=4)
    for start in (0, 7, 10, 19):
        assert stream(25 - start, seed=3, start=start) == videos[start:]


def test_validation_videos_are_spread_over_the_whole_set():
    assert list(SpreadSampler(range(100), num_videos=4)) == [0, 25, 50, 75]
    assert list(SpreadSampler(range(3), num_videos=4)) == [0, 1, 2]
