"""Windows of a video and their frames."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

EPSILON = 1e-6  # seconds by which time stamps may be rounded


class Span(NamedTuple):
    """A window from ``start`` to ``end``, in seconds, with the frames ``first`` to ``last`` - 1."""

    start: float
    end: float
    first: int
    last: int


class Cutter:
    """Cut a video into windows while its frames arrive.

    Window k starts at k * ``stride`` and contains the frames that start in it, or, if there are none, the frame that is
    displayed. The last window ends with the video and may be shorter. A window that would only repeat the end of the
    previous one is omitted.

    Args:
        length (float, optional): Length of a window, in seconds. None: the whole video is one window.
        stride (float, optional): Seconds between the starts of consecutive windows. Defaults to ``length``.

    Raises:
        ValueError: If one of them is not positive.
    """

    def __init__(self, length: float | None = None, stride: float | None = None) -> None:
        for name, value in (('window', length), ('stride', stride)):
            if value is not None and not value > 0:
                raise ValueError(f'{name} is {value}, but must be above 0 seconds')
        self.length = float('inf') if length is None else length
        self.stride = self.length if stride is None else stride
        self.index = self.count = 0
        self.times: deque[tuple[int, float]] = deque()  # number and time of frames that a later window may contain

    @property
    def oldest(self) -> int:
        """Number of the first frame that a later window may contain."""
        return self.times[0][0] if self.times else self.count

    def push(self, time: float) -> list[Span]:
        """Add a frame that starts at ``time`` and return the windows that end before it."""
        spans = []
        while self.times and self._start + self.length <= time + EPSILON:
            spans.append(self._cut(self._start + self.length))
        self.times.append((self.count, time))
        self.count += 1
        self._drop()
        return spans

    def close(self, end: float) -> list[Span]:
        """Return the remaining windows when the video ends."""
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
        """Drop frames that are no longer displayed when the next window starts."""
        while len(self.times) > 1 and self.times[1][1] <= self._start + EPSILON:
            self.times.popleft()


def cut(times: Iterable[float], length: float | None = None, stride: float | None = None) -> list[Span]:
    """Return the windows of a video whose frames start at ``times`` (T + 1); the last time is the end."""
    *starts, end = times
    cutter = Cutter(length, stride)
    return [span for time in starts for span in cutter.push(time)] + cutter.close(end)
