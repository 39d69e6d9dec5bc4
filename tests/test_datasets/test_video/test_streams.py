"""Sequentially read frames equal those that a pipeline reads by number."""

import os
import shutil
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from stream_servers import send_file, send_rtsp, serve
from video_cases import VIDEOS, encode

from dyreg_mmaction.datasets.video import streams
from dyreg_mmaction.datasets.video.readers import PyAVReader
from dyreg_mmaction.datasets.video.streams import is_live, read_stream, select_frames
from dyreg_mmaction.datasets.video.timeline import read_timeline


@pytest.mark.parametrize('name', VIDEOS)
def test_frames_and_times_are_those_of_the_readers(name, tmp_path):
    make, num_frames = VIDEOS[name]
    path = make(tmp_path)
    timeline = read_timeline(path)
    known = read_timeline(path.read_bytes())
    assert timeline.num_frames == num_frames and np.array_equal(timeline.times, known.times)
    numbers = np.arange(num_frames)
    expected = PyAVReader(path.read_bytes(), timeline).read(numbers)
    for frames in (select_frames(path, timeline, numbers), read_stream(str(path))):
        found = list(frames)
        assert [frame.number for frame in found] == numbers.tolist()
        np.testing.assert_allclose([frame.time for frame in found], timeline.times[:-1], atol=2e-3)
        assert all(np.array_equal(frame.to_rgb(), pixels) for frame, pixels in zip(found, expected, strict=True))


@pytest.fixture
def decoded(monkeypatch):
    """Return the numbers of all decoded frames."""
    numbers: list[int] = []
    stock = streams._numbered

    def count(*args):
        for number, picture in stock(*args):
            numbers.append(number)
            yield number, picture

    monkeypatch.setattr(streams, '_numbered', count)
    return numbers


@pytest.mark.parametrize('wanted', [[0, 100], [100, 3, 100], [40, 41, 99], [119], [0, 19, 37, 55, 74]])
def test_groups_of_pictures_without_selected_frames_are_skipped(wanted, tmp_path, decoded):
    path = encode(tmp_path / 'a.mp4', 'libx264', '-bf', 2, '-g', 20, '-sc_threshold', 0, frames=120)
    timeline = read_timeline(path)
    assert timeline.keyframes.tolist() == [0, 20, 40, 60, 80, 100]
    found = list(select_frames(path, timeline, np.array(wanted)))
    expected = PyAVReader(path.read_bytes(), timeline).read(np.unique(wanted))
    assert [frame.number for frame in found] == sorted({*wanted})
    assert all(np.array_equal(frame.to_rgb(), pixels) for frame, pixels in zip(found, expected, strict=True))
    assert len(decoded) == len({*decoded}) < 40 * len(found)


def test_pipe_is_read_while_it_runs(tmp_path):
    path = encode(tmp_path / 'a.ts')
    os.mkfifo(tmp_path / 'pipe')
    assert is_live(str(tmp_path / 'pipe')) and not is_live(str(path))
    writer = threading.Thread(target=lambda: (tmp_path / 'pipe').write_bytes(path.read_bytes()))
    writer.start()
    frames = list(read_stream(str(tmp_path / 'pipe')))
    writer.join()
    assert [frame.number for frame in frames] == list(range(20))
    assert [frame.time for frame in frames] == pytest.approx(read_timeline(path).times[:-1], abs=1e-3)


@pytest.mark.parametrize('protocol, answer, lost', [('tcp', send_file, 0), ('rtsp', send_rtsp, 1)])
def test_network_streams_are_read(protocol, answer, lost, tmp_path):
    """Within RTP nothing marks the end of the last frame, which is lost."""
    path = encode(tmp_path / 'a.ts')
    with serve(answer(path)) as address:
        frames = list(read_stream(f'{protocol}://{address}'))
    expected = list(read_stream(str(path)))[: 20 - lost]
    assert [frame.time for frame in frames] == pytest.approx([frame.time for frame in expected], abs=1e-3)
    assert all(np.array_equal(one.to_rgb(), other.to_rgb()) for one, other in zip(frames, expected, strict=True))


def test_address_without_an_answer_is_an_error(monkeypatch):
    monkeypatch.setattr(streams, 'TIMEOUT', 0.3)
    with serve(lambda connection: [*iter(lambda: connection.recv(1000), b'')]) as address:  # until it is closed
        with pytest.raises(ValueError, match=f'http://{address} cannot be read: no data for 0.3 s'):
            next(read_stream(f'http://{address}'))
    with pytest.raises(ValueError, match=f'tcp://{address} cannot be read: Connection refused'):
        next(read_stream(f'tcp://{address}'))


@pytest.mark.parametrize('source', ['0', '-', 'rtsp://camera/stream', 'https://host/video.mp4'])
def test_cameras_urls_and_pipes_are_live(source):
    assert is_live(source)


def test_files_may_have_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = encode(tmp_path / 'plain.mp4')
    for name in ('0', 'a b: ä.mp4', 'concat:x|y.mp4', '-x.mp4'):
        shutil.copy(path, tmp_path / name)
        assert not is_live(name)
        assert len(list(select_frames(name, read_timeline(name), np.arange(20)))) == 20


def test_non_video_raises_an_error(tmp_path):
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(ValueError, match='text.mp4 cannot be read'):
        list(read_stream(str(tmp_path / 'text.mp4')))
    with pytest.raises(ValueError, match='undecodable'):
        read_timeline(tmp_path / 'text.mp4')
    (tmp_path / 'empty.mp4').touch()
    with pytest.raises(ValueError, match='empty'):
        read_timeline(tmp_path / 'empty.mp4')
    words = r'camera 99 \(/dev/video99\) cannot be read: .*; pass the number of a connected camera'
    with pytest.raises(ValueError, match=words if sys.platform == 'linux' else 'camera 99'):
        list(read_stream('99'))


def test_video_whose_index_is_at_the_end_cannot_be_piped(tmp_path):
    path = encode(tmp_path / 'a.mp4', 'libx264', '-qp', 1, size='128x128', frames=200)
    os.mkfifo(tmp_path / 'pipe')
    process = subprocess.Popen(f'cat {path} > {tmp_path / "pipe"}', shell=True)  # ends by SIGPIPE
    with pytest.raises(ValueError, match=r'pipe cannot be read: .*MP4 needs its index at the start'):
        list(read_stream(str(tmp_path / 'pipe')))
    process.wait()


def test_terminal_is_no_video(monkeypatch):
    monkeypatch.setattr(sys, 'stdin', types.SimpleNamespace(isatty=lambda: True))
    with pytest.raises(ValueError, match='standard input cannot be read: .* is a terminal'):
        list(read_stream('-'))


def test_missing_frame_raises_an_error(tmp_path):
    timeline = read_timeline(encode(tmp_path / 'long.mp4', frames=30))
    path = encode(tmp_path / 'short.mp4')
    with pytest.raises(ValueError, match='short.mp4 cannot be read: frame 25 of 30 is missing'):
        list(select_frames(path, timeline, np.array([3, 25])))
