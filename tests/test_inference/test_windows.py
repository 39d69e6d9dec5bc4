"""Windows of videos equal separate files in a test pipeline."""

import os
import threading
import tracemalloc
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from video_cases import VIDEOS, encode

from dyreg_mmaction.datasets.video import read_timeline
from dyreg_mmaction.datasets.video.streams import Frame
from dyreg_mmaction.inference.spans import cut
from dyreg_mmaction.inference.windows import VideoWindows

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture(scope='module')
def pipeline():
    init_default_scope('mmaction')
    return Config.fromfile(CONFIGS / 'tsm_r18_dyreg_mini.py').test_dataloader.dataset.pipeline


def read(pipeline, path):
    """Return the inputs of a file after the pipeline."""
    return Compose(pipeline)(dict(filename=str(path), label=-1, start_index=0, modality='RGB'))['inputs']


def cut_out(source, path, first, last):
    """Write the frames ``first`` to ``last`` - 1 losslessly."""
    av = pytest.importorskip('av')
    with av.open(str(source)) as container, av.open(str(path), 'w') as piece:
        rate = container.streams.video[0].average_rate
        stream = piece.add_stream('libx264', rate=rate, options=dict(qp='0'))
        first_stream = container.streams.video[0]
        stream.width, stream.height, stream.pix_fmt = first_stream.width, first_stream.height, 'yuv420p'
        for number, frame in enumerate(container.decode(video=0)):
            if first <= number < last:
                frame.pts, frame.time_base, frame.pict_type = number - first, 1 / rate, 0
                piece.mux(stream.encode(frame))
        piece.mux(stream.encode())
    return path


@pytest.mark.parametrize('name', VIDEOS)
def test_full_video_is_read_as_by_the_pipeline(name, tmp_path, pipeline):
    path = VIDEOS[name][0](tmp_path)
    (window,) = VideoWindows(pipeline)(path)
    assert window.start == 0 and torch.equal(window.sample['inputs'], read(pipeline, path))


@pytest.mark.parametrize('size', ['96x72', '72x96'])
def test_windows_are_read_like_separate_files(size, tmp_path, pipeline):
    path = encode(tmp_path / 'a.mp4', 'libx264', '-bf', 2, '-g', 12, size=size, frames=45)
    found = list(VideoWindows(pipeline, 2, 1)(path))
    assert [(window.start, window.end) for window in found] == [(0, 2), (1, 3), (2, 4), (3, 4.5)]
    for number, window in enumerate(found):
        piece = cut_out(path, tmp_path / f'{number}.mp4', 10 * number, 10 * number + 20)
        assert torch.equal(window.sample['inputs'], read(pipeline, piece))
    assert not torch.equal(found[0].sample['inputs'], found[1].sample['inputs'])


@pytest.mark.parametrize('config', ['tsm_r50_dyreg_sthv1', 'i3d_r50_dyreg_sthv1', 'mini_something/reduced/r18_dyreg'])
def test_pipelines_of_frames_and_boxes_accept_videos(config, tmp_path):
    init_default_scope('mmaction')
    steps = Config.fromfile(CONFIGS / f'{config}.py').test_dataloader.dataset.pipeline
    path = encode(tmp_path / 'a.mp4', size='96x72')
    for test_views in (True, False):
        (window,) = VideoWindows(steps, test_views=test_views)(path)
        assert window.sample['inputs'].ndim in (4, 5)


def test_windows_of_a_variable_rate(tmp_path, pipeline):
    path = VIDEOS['variable rate, MP4'][0](tmp_path)  # 0, 0.1, ... 0.5, then every 0.3 seconds
    spans = cut(read_timeline(path).times, 0.6)
    assert [span.last - span.first for span in spans][:3] == [6, 2, 2]
    assert len(list(VideoWindows(pipeline, 0.6)(path))) == len(spans)


def test_frames_are_decoded_once_and_only_sampled_ones_are_converted(tmp_path, pipeline, monkeypatch):
    path = encode(tmp_path / 'a.mp4', frames=100)
    converted = []
    stock = Frame.to_rgb
    monkeypatch.setattr(Frame, 'to_rgb', lambda frame: converted.append(frame.number) or stock(frame))
    kept = [len(window.sample['inputs']) for window in VideoWindows(pipeline, 5, 1)(path)]
    assert len(kept) == 6 and len(converted) == len({*converted}) < 100


def test_memory_does_not_grow_with_the_length(tmp_path, pipeline):
    def peak(seconds: int, live: bool) -> int:
        path = source = encode(tmp_path / f'{seconds}.ts', 'libx264', '-g', 10, size='128x96', frames=10 * seconds)
        if live:
            source = tmp_path / f'pipe_{seconds}'
            os.mkfifo(source)
            threading.Thread(target=lambda: source.write_bytes(path.read_bytes())).start()
        tracemalloc.start()  # it counts frames, which are arrays of NumPy
        for _ in VideoWindows(pipeline, 2, 1)(source):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    for live in (False, True):
        assert peak(12, live) < 1.2 * peak(4, live)


def test_pipe_gives_the_windows_of_the_file(tmp_path, pipeline):
    path = encode(tmp_path / 'a.ts', size='96x72', frames=45)
    os.mkfifo(tmp_path / 'pipe')
    threading.Thread(target=lambda: (tmp_path / 'pipe').write_bytes(path.read_bytes())).start()
    seen = []
    windows = VideoWindows(pipeline, 2, 1)
    live = list(windows(tmp_path / 'pipe', lambda frame: seen.append(frame.number)))
    for one, other in zip(live, windows(path), strict=True):
        assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=2e-3)
        assert torch.equal(one.sample['inputs'], other.sample['inputs'])
    assert seen == list(range(45))


def test_live_window_is_yielded_as_soon_as_it_ends(tmp_path, pipeline):
    path = encode(tmp_path / 'a.ts', frames=60)
    os.mkfifo(tmp_path / 'pipe')
    threading.Thread(target=lambda: (tmp_path / 'pipe').write_bytes(path.read_bytes())).start()
    seen = []
    windows = VideoWindows(pipeline, 2)(tmp_path / 'pipe', lambda frame: seen.append(frame.number))
    next(windows)
    assert len(seen) == 20
    assert len(list(windows)) == 2


def test_truncated_video_raises_an_error(tmp_path, pipeline):
    path = encode(tmp_path / 'a b.mp4', 'libx264', '-movflags', '+faststart', frames=100)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match='a b.mp4 cannot be read: truncated'):
        list(VideoWindows(pipeline)(path))
    with pytest.raises(FileNotFoundError):
        list(VideoWindows(pipeline)(tmp_path / 'none.mp4'))


def test_generated_frames_raise_an_error():
    init_default_scope('mmaction')
    steps = Config.fromfile(CONFIGS / 'multisyncmnist/r18_dyreg.py').test_dataloader.dataset.pipeline
    with pytest.raises(ValueError, match='no transform that decodes'):
        VideoWindows(steps, 2)
