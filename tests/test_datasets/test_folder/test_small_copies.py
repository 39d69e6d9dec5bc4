"""Small copies have the frames that the pipeline would resize."""

import numpy as np
import pytest
from mmaction.datasets.transforms import Resize
from video_cases import VIDEOS, encode

from dyreg_mmaction.datasets.folder import are_large, prepare_videos, read_source, write_small_copies
from dyreg_mmaction.datasets.folder.inspection import VideoFacts
from dyreg_mmaction.datasets.folder.small_copies import copy_video
from dyreg_mmaction.datasets.video import read_frames


@pytest.mark.parametrize('name', ['rotated, sides that decord can copy', 'variable rate, MP4'])
def test_copies_have_the_resized_frames(name, tmp_path):
    path = VIDEOS[name][0](tmp_path)
    frames = [frame for _, frame in read_frames(path)]
    assert copy_video(path, tmp_path, 32).num_frames == len(frames)
    (copy,) = tmp_path.glob('????????????????????????.mp4')
    small = [frame for _, frame in read_frames(copy)]
    expected = Resize(scale=(-1, 32))(dict(imgs=frames, img_shape=frames[0].shape[:2], modality='RGB'))['imgs']
    assert min(small[0].shape[:2]) == 32 and len(small) == len(expected)
    gray = np.array([0.299, 0.587, 0.114])  # the colors of H.264 have half the resolution
    for one, other in zip(small, expected, strict=True):
        assert np.abs((one[: len(other), : other.shape[1]] @ gray) - other @ gray).mean() < 3


@pytest.fixture
def prepare(tmp_path):
    for label in ('cut', 'pour'):
        (tmp_path / 'videos' / label).mkdir(parents=True)
        for number in range(2):
            encode(tmp_path / 'videos' / label / f'{number}.mp4', frames=5 + number)

    def prepare():
        prepared = prepare_videos(read_source([tmp_path / 'videos']), tmp_path)
        write_small_copies(prepared, tmp_path / 'small', 32, 1)
        lines = (tmp_path / 'small/train.txt').read_text().splitlines()
        assert len(lines) == 2 and [line.split('\t')[1] for line in lines] == ['0', '1']
        copies = [tmp_path / 'small' / line.split('\t')[0] for line in lines]
        return prepared, copies, [copy.stat().st_mtime_ns for copy in copies]

    return prepare


def test_only_changed_videos_are_copied_again(prepare, tmp_path):
    prepared, copies, times = prepare()
    assert prepare()[1:] == (copies, times)
    first, _ = [name for name, split in prepared.splits.items() if split == 'train']
    encode(tmp_path / 'videos' / first, frames=9)
    _, again, changed = prepare()
    assert again == copies and changed[0] > times[0] and changed[1] == times[1]
    assert len(list(read_frames(copies[0]))) == 9


@pytest.mark.parametrize('sizes, large', [([(256, 256)], True), ([(300, 255)], False), ([(64, 64), (720, 1280)], True)])
def test_large_videos_are_at_least_four_times_their_copies(sizes, large):
    assert are_large([VideoFacts(10, 1.0, *size) for size in sizes], 128) == large
