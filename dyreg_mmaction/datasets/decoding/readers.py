"""Frames of a video file by their numbers, read by decord, PyAV or torchcodec."""

from collections.abc import Callable
from io import BytesIO
from typing import Protocol

import numpy as np

from ..something.video_files import import_av


class Reader(Protocol):
    """A video that is open.

    Attributes:
        fps: Frames per second, on average.
    """

    fps: float

    def __len__(self) -> int: ...

    def read(self, numbers: np.ndarray) -> list[np.ndarray]:
        """Frames (H, W, 3), RGB, of these numbers, in their order; any number may come more than once."""


class DecordReader:
    """decord: fast; no AV1."""

    def __init__(self, content: bytes, num_threads: int = 1) -> None:
        import decord

        self.video = decord.VideoReader(BytesIO(content), num_threads=num_threads)
        self.fps = self.video.get_avg_fps()

    def __len__(self) -> int:
        return len(self.video)

    def read(self, numbers: np.ndarray) -> list[np.ndarray]:
        return list(self.video.get_batch(numbers).asnumpy())


class PyAVReader:
    """PyAV: every codec of FFmpeg. A video is decoded from its start on."""

    def __init__(self, content: bytes, num_threads: int = 1) -> None:
        self.av = import_av()
        self.content, self.num_threads = content, num_threads
        with self.av.open(BytesIO(content)) as container:
            stream = container.streams.best('video')
            self.fps = float(stream.average_rate or 0)
            self.length = sum(packet.size > 0 for packet in container.demux(stream))

    def __len__(self) -> int:
        return self.length

    def read(self, numbers: np.ndarray) -> list[np.ndarray]:
        wanted, frames = set(np.asarray(numbers).tolist()), {}
        with self.av.open(BytesIO(self.content)) as container:
            stream = container.streams.best('video')
            stream.codec_context.thread_count = self.num_threads
            for number, frame in enumerate(container.decode(stream)):
                if number in wanted:
                    frames[number] = frame.to_ndarray(format='rgb24')
                if len(frames) == len(wanted):
                    break
        if len(frames) < len(wanted):
            raise ValueError(f'only {len(frames)} of {len(wanted)} frames can be decoded')
        return [frames[number] for number in np.asarray(numbers).tolist()]


class TorchcodecReader:
    """torchcodec: needs FFmpeg's libraries and the torch that it was built for."""

    def __init__(self, content: bytes, num_threads: int = 1) -> None:
        from torchcodec.decoders import VideoDecoder

        self.video = VideoDecoder(content, dimension_order='NHWC', num_ffmpeg_threads=num_threads)
        self.fps = float(self.video.metadata.average_fps or 0)

    def __len__(self) -> int:
        return len(self.video)

    def read(self, numbers: np.ndarray) -> list[np.ndarray]:
        return list(self.video.get_frames_at(np.asarray(numbers).tolist()).data.numpy())


READERS: dict[str, Callable[[bytes, int], Reader]] = dict(
    decord=DecordReader, pyav=PyAVReader, torchcodec=TorchcodecReader
)
