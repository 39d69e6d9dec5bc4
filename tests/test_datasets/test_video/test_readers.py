"""The frames of a video do not depend on the decoder, whatever the container and the codec."""

import re
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope
from video_cases import ROTATIONS, VIDEOS, copy, encode, noise_in_motion, run_ffmpeg, two_sizes

from dyreg_mmaction.datasets.video import VideoDecode, VideoInit, check_video, read_frames, write_video

DECODERS = [decoder for decoder in ('decord', 'pyav', 'torchcodec') if find_spec(decoder.replace('py', ''))]


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    """Return the video of this name; each is generated once."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = VIDEOS[name][0](tmp_path_factory.mktemp('video'))
        return made[name]

    return make


def read(path, decoder, numbers=None):
    results = VideoInit(decoder)(dict(filename=str(path)))
    numbers = np.arange(results['total_frames']) if numbers is None else np.asarray(numbers)
    return VideoDecode()(dict(results, frame_inds=numbers))


def read_by_opencv(path):
    """Decode all frames from the start without an index, like a player."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (found := capture.read())[0]:
        frames.append(found[1][..., ::-1])
    return frames


def read_by_ffmpeg(path):
    """Decode all frames by ffmpeg, because OpenCV, unlike players, ignores mirroring and converts by field."""
    output = run_ffmpeg('-i', path, *'-fps_mode passthrough -sws_flags bicubic -f image2pipe -c:v ppm -'.split())
    frames = []
    while output:  # each starts with a header like "P6\n64 48\n255\n"
        *_, size, _, output = output.split(b'\n', 3)
        width, height = map(int, size.split())
        frames.append(np.frombuffer(output[: 3 * width * height], np.uint8).reshape(height, width, 3))
        output = output[3 * width * height :]
    return frames


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize('name', VIDEOS)
def test_all_decoders_return_the_same_frames_in_any_order(video, decoder, name):
    path, num_frames = video(name), VIDEOS[name][1]
    expected = (read_by_ffmpeg if 'mirrored' in name or name == 'interlaced' else read_by_opencv)(path)
    assert len(expected) == num_frames
    numbers = [*range(1, num_frames, 4), *np.random.default_rng(0).permutation(num_frames)]
    results = read(path, decoder, numbers)
    assert results['total_frames'] == num_frames
    assert results['img_shape'] == expected[0].shape[:2]
    for number, frame in zip(numbers, results['imgs'], strict=True):
        assert np.abs(frame.astype(int) - expected[number]).max() <= 8, number  # 10 bits are rounded
    assert check_video(path) == (num_frames, '')


@pytest.mark.parametrize('name', VIDEOS)
def test_read_frames_returns_all_frames_with_times(video, name):
    path, num_frames = video(name), VIDEOS[name][1]
    whole = read(path, 'pyav', range(num_frames))
    times, frames = zip(*read_frames(path), strict=True)
    assert list(times) == whole['frame_times'][:-1].tolist()
    assert all(np.array_equal(a, b) for a, b in zip(frames, whole['imgs'], strict=True))


def test_read_frames_raises_an_error_for_a_damaged_file(video, tmp_path):
    path = tmp_path / 'damaged.mp4'
    for damaged, fault in ((b'', 'empty'), (b'no video', 'undecodable')):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=fault):
            list(read_frames(path))
    write_video(tmp_path / 'whole.webm', noise_in_motion(), 12)
    content = (tmp_path / 'whole.webm').read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match='truncated'):
        next(read_frames(path))


@pytest.mark.parametrize('decoder', DECODERS)
@pytest.mark.parametrize('angle', ROTATIONS)
def test_frames_are_rotated_by_the_metadata(video, tmp_path, decoder, angle):
    upright = read(video('plain'), decoder)['imgs']
    rotated = read(copy(tmp_path / 'a.mp4', video('plain'), ('-display_rotation', angle)), decoder)['imgs']
    assert all(np.array_equal(np.rot90(a, angle // 90), b) for a, b in zip(upright, rotated, strict=True))


@pytest.mark.parametrize('decoder', DECODERS)
def test_frames_are_scaled_to_the_size_of_the_first(tmp_path, decoder):
    path = two_sizes(tmp_path)
    for frame, expected in zip(read(path, decoder)['imgs'], read_by_ffmpeg(path), strict=True):
        assert frame.shape == (48, 64, 3) and np.abs(frame.astype(int) - expected).mean() < 6


@pytest.mark.parametrize('decoder', DECODERS)
def test_trimmed_video_has_the_remaining_frames(video, decoder):
    whole, trimmed = read(video('plain'), decoder), read(video('trimmed'), decoder)
    assert np.array_equal(whole['imgs'][4:], trimmed['imgs'])
    assert trimmed['frame_times'] == pytest.approx(np.arange(17) / 10)


@pytest.mark.parametrize('name', ['variable rate, MP4', 'variable rate, WebM'])
def test_times_of_a_variable_rate(video, name):
    results = VideoInit()(dict(filename=str(video(name))))
    assert results['frame_times'][:-1] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9, 1.2, 1.5, 1.8])
    assert results['avg_fps'] == pytest.approx(11 / results['frame_times'][-1])


@pytest.mark.parametrize('name', ['held, MP4', 'held, WebM'])
def test_long_last_frame_ends_with_the_video(video, name):
    times = VideoInit()(dict(filename=str(video(name))))['frame_times']
    assert times[:-1] == pytest.approx(np.arange(12) / 10) and times[-1] == pytest.approx(6.1)


def test_complete_webm_may_declare_a_longer_duration_than_its_frames(tmp_path):
    """Encoders may omit the duration of the last frame; a truncated file has missing frames."""
    content = encode(tmp_path / 'a.webm', 'libvpx-vp9').read_bytes()
    content = re.sub(rb'00:00:02(?=\.0)', b'00:00:07', content)
    path = tmp_path / 'held.webm'
    path.write_bytes(content)
    assert len(read(path, 'decord')['imgs']) == 20 and check_video(path) == (20, '')
    for damaged in (content[: len(content) * 9 // 10], content[:-900] + bytes(900)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r'held.webm cannot be read: truncated: \d+ of about 70 frames'):
            read(path, 'decord')


@pytest.mark.parametrize('name', ['av1.mp4', 'av1.webm'])
def test_av1_error_suggests_another_decoder(tmp_path, name):
    path = encode(tmp_path / name, 'libsvtav1', '-preset', 12, size='64x64')
    with pytest.raises(ValueError, match=f"{name} cannot be read: decord cannot read this av1 .*set decoder='pyav'"):
        read(path, 'decord')
    assert len(read(path, 'pyav')['imgs']) == 20
