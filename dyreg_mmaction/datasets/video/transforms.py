"""Transforms that decode videos with a configurable decoder."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from mmcv.transforms import BaseTransform
from mmengine import fileio

from dyreg_mmaction.registry import TRANSFORMS

from .readers import READERS, open_video
from .timeline import import_av

LINE_OF_SOURCE = re.compile(r'\[\d\d:\d\d:\d\d\] \S+: ')  # prefix of decord's messages


@TRANSFORMS.register_module()
class VideoInit(BaseTransform):
    """Open a video, like MMAction2's DecordInit but for any decoder. An incomplete video raises an error.

    All decoders return the same frames, see :func:`.open_video`.

    Args:
        decoder (str): 'decord', 'pyav' or 'torchcodec'.
        num_threads (int): Threads of the decoder.

    Raises:
        ValueError: If the decoder is unknown; when called, if the video is missing, empty, damaged or truncated.
    """

    def __init__(self, decoder: str = 'decord', num_threads: int = 1) -> None:
        if decoder not in READERS:
            raise ValueError(f'decoder is {decoder!r}, but must be one of {", ".join(READERS)}')
        import_av()  # lists the frames for all decoders
        self.decoder = decoder
        self.num_threads = num_threads

    def transform(self, results: dict) -> dict:
        """Add ``video_reader``, ``total_frames``, ``avg_fps`` and ``frame_times``, see :class:`.Timeline`."""
        with _naming(results['filename']):
            reader, timeline = open_video(fileio.get(results['filename']), self.decoder, self.num_threads)
        return dict(
            results,
            video_reader=reader,
            total_frames=timeline.num_frames,
            avg_fps=timeline.fps,
            frame_times=timeline.times,
        )


@TRANSFORMS.register_module()
class VideoDecode(BaseTransform):
    """Decode the sampled frames of a video that :class:`VideoInit` opened, like MMAction2's DecordDecode.

    Raises:
        ValueError: If the frames cannot be decoded.
    """

    def transform(self, results: dict) -> dict:
        """Add ``imgs``, ``original_shape`` and ``img_shape``."""
        with _naming(results['filename']):
            imgs = results['video_reader'].read(results['frame_inds'].reshape(-1))
        shape = imgs[0].shape[:2]
        return dict(results, video_reader=None, imgs=imgs, original_shape=shape, img_shape=shape)


@contextmanager
def _naming(filename: str) -> Iterator[None]:
    """Convert any decoder's error to a ValueError of one line with the name of the file."""
    try:
        yield
    except Exception as error:
        reason = LINE_OF_SOURCE.sub('', str(error).strip().partition('\n')[0])
        raise ValueError(f'{filename} cannot be read: {reason or type(error).__name__}') from error
