"""tools/train_multi.sh trains the teachers, then the student. Finished trainings are not repeated."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import descendants, send

from dyreg_mmaction.datasets.synthetic.mini_something.generator import generate_mini_something

ROOT = Path(__file__).parents[2]
STUDENT = """
_base_ = '{root}/configs/tsm_r18_dyreg_mini.py'
work_dir = 'student'
teacher = dict(config='{root}/configs/tsm_r18_dyreg_mini.py', checkpoint='teacher/teacher.pth')
model = dict(type='RegionRecognizer2D', region_losses=[
    dict(type='RegionDistillation', weight=1.0, until=0.5, teachers={{'layer1.1.conv2.conv': teacher}})])
"""


OPTIONS = [
    'data_root=data',
    'epochs=2',
    'default_hooks.logger.interval=1',
    *(
        f'{loader}_dataloader.{option}'
        for loader in ('train', 'val')
        for option in ('batch_size=2', 'num_workers=0', 'persistent_workers=False')
    ),
]
COMMAND = ['bash', str(ROOT / 'tools/train_multi.sh'), 'student.py', '1', '--cfg-options', *OPTIONS]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A dataset of 4 clips next to the student's config."""
    path = tmp_path_factory.mktemp('multi')
    (path / 'student.py').write_text(STUDENT.format(root=ROOT))
    generate_mini_something(path / 'data', num_train=4, num_val=2)
    return path


def environment():
    return {**os.environ, 'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}', 'PYTHONPATH': str(ROOT)}


def run(folder, at=None, first_on_path=''):
    """Return output and exit code of the script. Its processes are killed at the line that contains ``at``."""
    env = environment()
    env['PATH'] = f'{first_on_path}:{env["PATH"]}'
    streams = dict(text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    script = subprocess.Popen(COMMAND, cwd=folder, env=env, start_new_session=True, **streams)
    printed = ''
    for line in script.stdout:
        printed += line
        if at is not None and at in line:
            for pid in reversed([script.pid, *descendants(script.pid)]):
                send(pid, signal.SIGKILL)
            at = None
    assert at is None, printed[-4000:]
    return printed, script.wait()


@pytest.mark.slow
def test_training_continues_after_a_kill_in_each_step(folder, tmp_path):
    teacher, student = folder / 'teacher', folder / 'student'
    _, code = run(folder, at='Epoch(train) [2][1/2]')  # of the teacher
    assert code == -signal.SIGKILL and (teacher / 'epoch_1.pth').is_file() and not student.exists()

    (tmp_path / 'mv').write_text('#!/bin/sh\nkill -9 0\n')  # when the teacher has been copied, in part
    (tmp_path / 'mv').chmod(0o755)
    printed, code = run(folder, first_on_path=str(tmp_path))
    assert code == -signal.SIGKILL, printed[-4000:]
    resumed = 'Epoch(train) [1][' not in printed and 'Epoch(train) [2][' in printed
    assert resumed, printed[-9000:]  # the teacher
    assert (teacher / 'teacher.pth.part').is_file() and not (teacher / 'teacher.pth').exists() and not student.exists()
    (teacher / 'teacher.pth.part').write_bytes(b'half')

    printed, _ = run(folder, at='Epoch(train) [2][1/2]')  # of the student, after the end of the phase
    assert printed.count('Epoch(train) [1][') == printed.count('loss_region_distillation') == 2  # the teacher is ready
    assert (student / 'epoch_1.pth').is_file()
    made = (teacher / 'teacher.pth').stat().st_mtime_ns

    printed, code = run(folder)
    assert code == 0, printed[-4000:]
    assert 'Epoch(train) [1][' not in printed and printed.count('Epoch(train) [2][') == 2
    assert 'loss_region_distillation' not in printed and (student / 'epoch_2.pth').is_file()
    assert (teacher / 'teacher.pth').stat().st_mtime_ns == made

    printed, code = run(folder)
    assert code == 0 and 'Epoch(train)' not in printed  # finished trainings are not repeated
