"""Benchmark of long videos: one inferencer call per window, compared to one pass over all windows."""

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

import decord
import numpy as np

from dyreg_mmaction.datasets.video.writers import write_video
from dyreg_mmaction.demo import CHECKPOINT
from dyreg_mmaction.inference import RegionInferencer
from dyreg_mmaction.inference.long_videos import WindowPredictor
from dyreg_mmaction.inference.runs import find_model
from dyreg_mmaction.visualization.predict import load_model

FPS, SECONDS, SIZE = 25, 8, (720, 1280)
WINDOW, STRIDE = 2, 1
Cases = dict[str, Callable[[], object]]


class LongVideo:
    """A temporary video file, and its windows as arrays and as files."""

    def __init__(self) -> None:
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / 'long.mp4'
        write_video(self.path, self._frames(), FPS)
        self.starts = range(0, (SECONDS - WINDOW) * FPS + 1, STRIDE * FPS)
        self.pieces = [self.path.with_name(f'{start}.mp4') for start in self.starts]
        for piece, array in zip(self.pieces, self.arrays(), strict=True):
            write_video(piece, array, FPS)

    def arrays(self) -> Iterator[np.ndarray]:
        """Yield the frames of each window, read from the file."""
        reader = decord.VideoReader(str(self.path), num_threads=1)
        for start in self.starts:
            yield reader.get_batch(range(start, start + WINDOW * FPS)).asnumpy()

    def _frames(self) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(0)
        still = np.kron(rng.integers(60, 200, (SIZE[0] // 40, SIZE[1] // 40, 3)), np.ones((40, 40, 1))).astype(np.uint8)
        for number in range(FPS * SECONDS):
            frame, left = still.copy(), 3 * number % (SIZE[1] - 300)
            frame[300:600, left : left + 300] = (250, 40, 40)
            yield frame


def windows(args: object) -> Cases:
    """Windows of 2 s, one per second, of 8 s of 720p, with the test views of the demo's config."""
    video, cfg = LongVideo(), find_model(CHECKPOINT)[0]
    inferencer = RegionInferencer(cfg, str(CHECKPOINT), device='cpu', test_views=True)
    predict = WindowPredictor(
        load_model(cfg, str(CHECKPOINT), 'cpu'), cfg.test_dataloader.dataset.pipeline, WINDOW, STRIDE
    )

    def call_each(pieces: Callable[[], object]) -> None:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # its progress bars
            for piece in pieces():  # type: ignore[attr-defined]
                inferencer(piece)

    return {
        'an inferencer call per window': lambda: call_each(video.arrays),
        'the same, windows as separate files': lambda: call_each(lambda: map(str, video.pieces)),
        'windows': lambda: list(predict(video.path)),
    }
