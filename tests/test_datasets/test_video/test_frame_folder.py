"""Folders of frames are read in the order of their numbers, with the pixels that a pipeline reads."""

import numpy as np
import pytest
from mmaction.datasets.transforms import RawFrameDecode
from PIL import Image

from dyreg_mmaction.datasets.video.frame_folder import find_frames, has_frames
from dyreg_mmaction.datasets.video.streams import find_timeline, select_frames


def write(folder, names):
    for value, name in enumerate(names):
        Image.fromarray(np.full((8, 10, 3), 20 * value, np.uint8)).save(folder / name)


@pytest.mark.parametrize(
    'names, template',
    [
        (['00001.jpg', '00002.jpg', '00003.jpg'], '{:05}.jpg'),
        (['img{8.png', 'img{9.png', 'img{10.png'], 'img{{{:01}.png'),
        (['a 0.JPG', 'a 1.JPG'], 'a {:01}.JPG'),
    ],
)
def test_frames_are_in_the_order_of_their_numbers(names, template, tmp_path):
    write(tmp_path, names)
    (tmp_path / 'notes.txt').touch()
    found = find_frames(tmp_path)
    assert found.template == template and found.num_frames == len(names)
    timeline = find_timeline(tmp_path, 10)
    frames = list(select_frames(tmp_path, timeline, np.arange(len(names))))
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2][: len(names)])
    results = dict(frame_dir=str(tmp_path), filename_tmpl=template, modality='RGB', offset=found.first)
    expected = RawFrameDecode()({**results, 'frame_inds': np.arange(len(names))})['imgs']
    assert all(np.array_equal(frame.to_rgb(), pixels) for frame, pixels in zip(frames, expected, strict=True))


@pytest.mark.parametrize('names', [['1.jpg', '3.jpg'], ['1.jpg', '2.png', '3.jpg']])
def test_gap_is_an_error(names, tmp_path):
    write(tmp_path, names)
    with pytest.raises(ValueError, match=r'\d frames from 1.jpg on, but 2.jpg is missing'):
        find_frames(tmp_path)


def test_picture_that_cannot_be_read_raises_an_error(tmp_path):
    write(tmp_path, ['1.jpg', '2.jpg'])
    for content in (b'', b'no picture'):
        (tmp_path / '2.jpg').write_bytes(content)
        with pytest.raises(ValueError, match='2.jpg cannot be read as a picture'):
            find_frames(tmp_path).to_rgb(1)


def test_single_pictures_are_no_video():
    assert has_frames(['1.jpg', '2.jpg']) and not has_frames(['1.jpg', 'cover.jpg', '2.txt', '._3.jpg'])
