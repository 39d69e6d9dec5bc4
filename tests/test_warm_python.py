"""A tool that hangs in a test is ended, and the stacks of all its processes are printed."""

import signal

import pytest
import warm_python
from tool_runs import ROOT, environment
from tool_runs import warm_python as server

HANGS = """
import multiprocessing, subprocess, sys, time

def wait_in_a_worker():
    time.sleep(1000)

if sys.argv[1:]:
    worker = multiprocessing.get_context('fork').Process(target=wait_in_a_worker)
    worker.start()
    worker.join()
else:
    subprocess.run([sys.executable, __file__, 'child'], start_new_session=True)
"""


@pytest.mark.slow
def test_stacks_of_a_hanging_tool_are_printed(tmp_path, monkeypatch):
    (tmp_path / 'hangs.py').write_text(HANGS)
    (tmp_path / 'ends.py').write_text('print("ended")')
    monkeypatch.setattr(warm_python, 'TIMEOUT', 5)
    code, printed = server().run([str(tmp_path / 'hangs.py')], ROOT, environment())
    assert code == -signal.SIGABRT
    assert 'in wait_in_a_worker' in printed and 'in join' in printed and 'subprocess.py' in printed
    assert 'Extension modules' not in printed
    assert server().run([str(tmp_path / 'ends.py')], ROOT, environment()) == (0, 'ended\n')
