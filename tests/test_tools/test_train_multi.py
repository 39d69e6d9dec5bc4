"""tools/train_multi.sh: teachers, then the student; what is trained is not trained again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDENT = """
_base_ = '{root}/configs/tsm_r18_dyreg_mini.py'
work_dir = 'student'
teacher = dict(config='{root}/configs/tsm_r18_dyreg_mini.py', checkpoint='teacher/teacher.pth')
model = dict(type='RegionRecognizer2D', region_losses=[
    dict(type='RegionDistillation', weight=1.0, until=0.5, teachers={{'layer1.1.conv2.conv': teacher}})])
"""


@pytest.mark.slow
def test_teachers_are_trained_once_and_the_student_learns_from_them(tmp_path):
    (tmp_path / 'student.py').write_text(STUDENT.format(root=ROOT))
    env = {**os.environ, 'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}', 'PYTHONPATH': str(ROOT)}

    def run(*command):
        done = subprocess.run(
            command, cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    run(sys.executable, str(ROOT / 'tools/data/make_mini_something.py'), 'data', '--train', '4', '--val', '2')
    options = ['data_root=data', 'epochs=2', 'train_dataloader.batch_size=2', 'val_dataloader.batch_size=2']
    workers = [
        f'{loader}_dataloader.{option}'
        for loader in ('train', 'val')
        for option in ('num_workers=0', 'persistent_workers=False')
    ]
    command = ['bash', str(ROOT / 'tools/train_multi.sh'), 'student.py', '1', '--cfg-options', *options, *workers]
    first = run(*command)
    assert 'loss_region_distillation' in first.rpartition('Epoch(train) [2]')[0]
    assert (tmp_path / 'student/epoch_2.pth').is_file()
    teacher = (tmp_path / 'teacher/teacher.pth').stat().st_mtime_ns
    again = run(*command)
    assert (tmp_path / 'teacher/teacher.pth').stat().st_mtime_ns == teacher
    assert 'Epoch(train)' not in again  # nor is the student trained again
