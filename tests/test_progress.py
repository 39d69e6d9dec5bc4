import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dyreg_mmaction import progress
from dyreg_mmaction.progress import track

SCRIPT = """
import sys
from progress import track  # without importing the package, which takes seconds
for i in track(range(4), 'Working'):
    print('printed', i)
    if i == int(sys.argv[1]):
        raise SystemExit('it failed')
"""


@pytest.fixture
def clock(monkeypatch):
    """A clock that shows its attribute ``now``."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(time, 'monotonic', lambda: Clock.now)
    return Clock


def test_line_every_ten_seconds_without_a_terminal(clock, capsys):
    for _ in track(range(100), 'Checking videos'):
        clock.now += 4.5
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == 'Checking videos: 3/100 (3%), 0:00:14 elapsed, 0:07:16 left'
    assert lines[-1] == 'Checking videos: 100/100 (100%), 0:07:30 elapsed'
    assert len(lines) == 100 // 3 + 1


def test_short_task_prints_one_line(clock, capsys):
    assert list(track((letter for letter in 'abc'), 'Reading', total=3)) == ['a', 'b', 'c']
    assert capsys.readouterr().err == 'Reading: 3/3 (100%), 0:00:00 elapsed\n'


def test_no_items(capsys):
    assert list(track([], 'Reading')) == []


def on_terminal(fails_at: int) -> tuple[str, str]:
    """Return the output of the script on stderr, a terminal, and on stdout, a file."""
    leader, follower = pty.openpty()
    command = [sys.executable, '-c', SCRIPT, str(fails_at)]
    env = dict(TERM='xterm', COLUMNS='80', PYTHONPATH=str(Path(progress.__file__).parent))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower, text=True, env=env)
    out, _ = process.communicate(timeout=60)
    with open(leader, 'rb', buffering=0) as terminal:
        written = terminal.read(100_000).decode()
    return written, out


def test_one_bar_on_a_terminal():
    written, out = on_terminal(fails_at=-1)
    last = written.split('\r\n')[-2]
    assert '4/4' in last and 'Working' in last and 'printed' not in written
    assert out.splitlines() == [f'printed {i}' for i in range(4)]


def test_error_stops_the_bar_and_shows_the_cursor():
    written, _ = on_terminal(fails_at=2)
    hidden, shown, message = (written.rindex(text) for text in ('\x1b[?25l', '\x1b[?25h', 'it failed'))
    assert hidden < shown and message > written.index('Working')
