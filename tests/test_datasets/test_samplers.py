"""Samplers of studies."""

from itertools import islice

from dyreg_mmaction.datasets import StreamSampler


def stream(count, **options):
    return list(islice(StreamSampler(range(10), **options), count))


def test_stream_has_each_video_once_per_epoch_and_can_start_anywhere():
    videos = stream(25, seed=3)
    assert sorted(videos[:10]) == sorted(videos[10:20]) == list(range(10))
    assert videos[:10] != videos[10:20] and videos != stream(25, seed=4)
    for start in (0, 7, 10, 19):
        assert stream(25 - start, seed=3, start=start) == videos[start:]


def test_subset_is_reproducible_and_not_periodic():
    """SyncMNIST iterates over digits, so every tenth clip would contain few different ones."""
    choice = StreamSampler(range(1000), seed=0, num_videos=100)
    assert list(choice) == list(choice) and len(choice) == len(set(choice)) == 100
    assert {index % 10 for index in choice} == set(range(10))
    assert sorted(StreamSampler(range(3), seed=0, num_videos=4)) == [0, 1, 2]
