"""Which frames of a video are in which window."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

EPSILON = 1e-6  # seconds by which time stamps may be rounded


class Span(NamedTuple):
    """A window: from ``start`` to ``end`` in seconds, and its frames, of the numbers ``first`` to ``last`` - 1."""

    start: float
    end: float
    first: int
    last: int


class Cutter:
    """Cuts a video into windows while its frames come.

    Window k starts at k * ``stride`` and contains the frames that start in it; if there are none, the one that is
    shown. The last window ends with the video and may be shorter; a window that would only repeat the end of the one
    before is left out.

    Args:
        length (float, optional): Of a window, in seconds; None: one window, the whole video.
        stride (float, optional): From the start of a window to that of the next one; default: ``length``.

    Raises:
        ValueError: If one of them is not positive.
    """

    def __init__(self, length: float | None = None, stride: float | None = None) -> None:
        for name, value in (('window', length), ('stride', stride)):
            if value is not None and not value > 0:
                raise ValueError(f'{name}={value} must be above 0 seconds')
        self.length = float('inf') if length is None else length
        self.stride = self.length if stride is None else stride
        self.index = self.count = 0
        self.times: deque[tuple[int, float]] = deque()  # of frames that a later window may have

    @property
    def oldest(self) -> int:
        """Number of the first frame that a later window may have."""
        return self.times[0][0] if self.times else self.count

    def push(self, time: float) -> list[Span]:
        """The windows that end before a frame which begins at ``time``."""
        spans = []
        while self.times and self._start + self.length <= time + EPSILON:
            spans.append(self._cut(self._start + self.length))
        self.times.append((self.count, time))
        self.count += 1
        self._drop()
        return spans

    def close(self, end: float) -> list[Span]:
        """The windows that are left when the video ends."""
        spans = self.push(end)
        self.times.pop()
        while self.times and self._start < end - EPSILON and (not self.index or self._previous_end < end - EPSILON):
            spans.append(self._cut(min(self._start + self.length, end)))
        return spans

    @property
    def _start(self) -> float:
        return self.index * self.stride if self.index else 0.0  # stride may be infinite

    @property
    def _previous_end(self) -> float:
        return (self.index - 1) * self.stride + self.length

    def _cut(self, end: float) -> Span:
        start = self._start
        inside = [number for number, time in self.times if start - EPSILON <= time < end - EPSILON]
        shown = inside or [self.times[0][0]]
        self.index += 1
        self._drop()
        return Span(start, end, shown[0], shown[-1] + 1)

    def _drop(self) -> None:
        """Forget frames that are shown no more when the next window begins."""
        while len(self.times) > 1 and self.times[1][1] <= self._start + EPSILON:
            self.times.popleft()


def cut(times: Iterable[float], length: float | None = None, stride: float | None = None) -> list[Span]:
    """The windows of a video whose frames begin at ``times`` (T + 1), the end last."""
    *starts, end = times
    cutter = Cutter(length, stride)
    return [span for time in starts for span in cutter.push(time)] + cutter.close(end)
