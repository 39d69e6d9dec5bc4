"""Windows of a video as samples of a test pipeline; overlapping windows share frames that are decoded once."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from mmaction.datasets import transforms as mm
from mmengine.dataset import Compose

from dyreg_mmaction.datasets.video.streams import Frame, find_timeline, is_live, read_stream, select_frames
from dyreg_mmaction.registry import TRANSFORMS

from .pipelines import one_view, read_pipeline, with_boxes, without_objects
from .spans import Cutter, Span, cut

WRAPPERS = ('WithBoxes', 'WithNeighbours')  # there are no boxes, and neighbours are only for training


class Window(NamedTuple):
    """A window from ``start`` to ``end``, in seconds after the first frame, and its sample."""

    start: float
    end: float
    sample: dict


class VideoWindows:
    """Cut videos into windows and run a test pipeline on each, as on a separate file.

    .. code:: python

        windows = VideoWindows(cfg.test_dataloader.dataset.pipeline, length=2, stride=1)
        for start, end, sample in windows('video.mp4'):
            ...

    Args:
        pipeline (Sequence[dict]): Test pipeline of a config; it may decode videos or frames.
        length (float, optional): Length of a window, in seconds. None: the whole video is one window.
        stride (float, optional): Seconds between the starts of consecutive windows. Defaults to ``length``.
        test_views (bool): Whether to keep all crops and clips of the pipeline; else only the middle crop of one clip.
        adapt (Callable, optional): Function that changes the transforms after decoding.
        fps (float): Frames per second of folders of frames.

    Raises:
        ValueError: If ``length``, ``stride`` or ``fps`` is not positive, or the pipeline does not decode.
    """

    def __init__(
        self,
        pipeline: Sequence[dict],
        length: float | None = None,
        stride: float | None = None,
        test_views: bool = True,
        adapt: Callable[[list[dict]], list[dict]] | None = None,
        fps: float = 25,
    ) -> None:
        Cutter(length, stride)  # checks the arguments
        if not fps > 0:
            raise ValueError(f'fps is {fps}, but must be positive')
        self.length, self.stride, self.fps = length, stride, fps
        steps = with_boxes(without_objects(pipeline), None)
        steps = _unwrapped(read_pipeline(steps if test_views else one_view(steps), 'array'))
        decoding = next(i for i, step in enumerate(steps) if step['type'] == 'ArrayDecode')
        after = decoding + 1
        while after < len(steps) and _is_resize(steps[after]):
            after += 1
        self.sampling = Compose(steps[:decoding])
        self.shared = Compose(steps[decoding + 1 : after])  # run once per frame
        self.rest = Compose(steps[after:] if adapt is None else adapt(steps[after:]))

    def __call__(self, source: str | os.PathLike, on_frame: Callable[[Frame], Any] | None = None) -> Iterator[Window]:
        """Yield the windows of a file or folder of frames, or of a live camera, stream or pipe (:func:`.is_live`).

        Only the sampled frames of a file are converted and kept. The number of frames of a live source is unknown, so
        all frames of a window are kept, resized.

        Args:
            source (str | PathLike): The video.
            on_frame (Callable, optional): Called with every frame of a live source.

        Raises:
            FileNotFoundError: If the file does not exist.
            ValueError: If the video cannot be read; the windows before the error are yielded first.
        """
        name = os.fspath(source)
        if is_live(name):
            yield from self._live(name, on_frame)
        else:
            yield from self._file(name)

    def _file(self, path: str) -> Iterator[Window]:
        timeline = find_timeline(path, self.fps)
        samples = [
            (span, self._sample(path, span, timeline.times)) for span in cut(timeline.times, self.length, self.stride)
        ]
        numbers = np.concatenate([_numbers(span, results) for span, results in samples])
        frames = select_frames(path, timeline, numbers)
        kept: dict[int, dict] = {}
        for span, results in samples:
            needed = _numbers(span, results)
            for number in [number for number in kept if number < span.first]:
                del kept[number]
            while needed.max() not in kept:
                frame = next(frames)
                kept[frame.number] = self._share(frame)
            yield self._finish(span, results, [kept[number] for number in needed.tolist()])

    def _live(self, source: str, on_frame: Callable[[Frame], Any] | None) -> Iterator[Window]:
        cutter = Cutter(self.length, self.stride)
        kept: dict[int, dict] = {}
        times: dict[int, float] = {}

        def finish(spans: Iterable[Span], now: float) -> Iterator[Window]:
            for span in spans:
                shown = np.array([*(times[number] for number in range(span.first, span.last)), min(now, span.end)])
                results = self._sample(source, span._replace(first=0, last=span.last - span.first), shown)
                yield self._finish(span, results, [kept[number] for number in _numbers(span, results).tolist()])
            for number in [number for number in kept if number < cutter.oldest]:
                del kept[number], times[number]

        step = time = 0.0
        for frame in read_stream(source):
            yield from finish(cutter.push(frame.time), frame.time)
            step, time = frame.time - time, frame.time
            kept[frame.number], times[frame.number] = self._share(frame), frame.time
            if on_frame is not None:
                on_frame(frame)
        yield from finish(cutter.close(time + max(step, 1e-3)), time + max(step, 1e-3))

    def _sample(self, source: str, span: Span, times: np.ndarray) -> dict:
        """Sample frame numbers of a window; ``times`` are those of all frames, the last one is the end."""
        times = times[span.first : span.last + 1]
        number, duration = span.last - span.first, max(float(times[-1] - times[0]), 1e-3)
        return self.sampling(
            dict(
                filename=source,
                label=-1,
                start_index=0,
                modality='RGB',
                total_frames=number,
                avg_fps=number / duration,
                frame_times=times,
            )
        )

    def _share(self, frame: Frame) -> dict:
        """Return a decoded frame, resized."""
        pixels = frame.to_rgb()
        shape = pixels.shape[:2]
        return self.shared(dict(imgs=[pixels], original_shape=shape, img_shape=shape, modality='RGB'))

    def _finish(self, span: Span, results: dict, frames: list[dict]) -> Window:
        """Run the remaining transforms on the frames of a window."""
        imgs = [frame['imgs'][0] for frame in frames]
        return Window(span.start, float(span.end), self.rest({**results, **frames[0], 'imgs': imgs}))


def _numbers(span: Span, results: dict) -> np.ndarray:
    """Return the numbers of a window's sampled frames in the video."""
    return span.first + np.asarray(results['frame_inds']).reshape(-1)


def _unwrapped(steps: Sequence[dict]) -> list[dict]:
    """Replace wrappers for boxes and neighbours by the transforms inside."""
    return [
        inner for step in steps for inner in (_unwrapped(step['transforms']) if _name(step) in WRAPPERS else [step])
    ]


def _is_resize(step: dict) -> bool:
    kind = TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type']
    return kind is mm.Resize and not step.get('lazy')


def _name(step: dict) -> str:
    return step['type'].rpartition('.')[2] if isinstance(step['type'], str) else step['type'].__name__
