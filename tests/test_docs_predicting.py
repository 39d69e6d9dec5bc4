"""Every command and every line of Python in docs/guides/predicting.md runs."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from tool_runs import ROOT, environment, warm_python
from video_cases import encode

from dyreg_mmaction.cli import predict
from dyreg_mmaction.demo import CHECKPOINT
from dyreg_mmaction.inference.runs import find_model

PAGE = (ROOT / 'docs/guides/predicting.md').read_text()
LINES = [
    line.partition('#')[0].strip()
    for block in re.findall(r'```shell\n(.*?)```', PAGE, re.S)
    for line in block.splitlines()
]
HARDWARE = ('pth 0', 'rtsp://')  # commands that need a camera: only their options are checked


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Folder with all files that the page mentions."""
    folder = tmp_path_factory.mktemp('page')
    encode(folder / 'video.mp4', size='96x72', frames=25)
    encode(folder / 'video.ts', size='96x72', frames=25)
    for place in ('my_videos/deeper', 'work_dirs/my_run'):
        (folder / place).mkdir(parents=True)
    shutil.copy(folder / 'video.mp4', folder / 'my_videos/deeper/other video.MP4')
    shutil.copy(CHECKPOINT, folder / 'checkpoint.pth')
    shutil.copy(CHECKPOINT, folder / 'work_dirs/my_run/best_acc_top1_epoch_12.pth')
    find_model(CHECKPOINT)[0].dump(folder / 'work_dirs/my_run/config.py')
    return folder


def run(line, folder):
    """Return exit code and output. Only lines with a pipe start a new Python."""
    line = line.replace('python tools/', f'python {shlex.quote(str(ROOT))}/tools/')
    if '|' not in line:
        return warm_python().run(shlex.split(line)[1:], folder, environment())
    line = re.sub(r'\bpython ', f'{shlex.quote(sys.executable)} -W ignore ', line)
    done = subprocess.run(['bash', '-c', line], cwd=folder, env=environment(), capture_output=True, text=True)
    return done.returncode, done.stdout or done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize('line', [line for line in LINES if not any(word in line for word in HARDWARE)])
def test_commands_run(line, folder):
    code, output = run(line, folder)
    assert code == 0 and output, output
    if '--out' in line:
        assert (folder / 'predictions/predictions.json').stat().st_size > 10


@pytest.mark.parametrize('line', [line for line in LINES if any(word in line for word in HARDWARE)])
def test_options_of_other_commands_exist(line, monkeypatch):
    monkeypatch.setattr(sys, 'argv', shlex.split(line)[1:])
    args = predict.parse_args()
    assert all(map(predict.is_live, args.videos))


@pytest.mark.slow
def test_python_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (code,) = re.findall(r'```python\n(.*?)```', PAGE, re.S)
    exec(code, {})
    assert len(capsys.readouterr().out.splitlines()) == 2
