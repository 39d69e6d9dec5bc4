"""A process restarted by torchrun resumes from its own run."""

import os
from argparse import Namespace

import pytest
import torch
from mmengine.logging import MMLogger

from dyreg_mmaction.cli.restarts import resume_after_restart

OLD, SINCE, NEW = 1000, 2000, 3000


def save(file, time):
    torch.save(dict(weight=torch.ones(1)), file)
    os.utime(file, (time, time))


def restart(work_dir, since=SINCE):
    runner = Namespace(work_dir=str(work_dir), logger=MMLogger.get_instance('restarts'), _resume=False, _load_from='w')
    resume_after_restart(runner, since)
    return runner._resume, os.path.basename(runner._load_from)


@pytest.fixture
def work_dir(tmp_path, monkeypatch):
    """Work dir with checkpoints of an older run."""
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    for epoch in (1, 2):
        save(tmp_path / f'epoch_{epoch}.pth', OLD)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_2.pth'))
    return tmp_path


def test_checkpoints_of_older_runs_are_ignored(work_dir):
    assert restart(work_dir) == (False, 'w')
    assert restart(work_dir, since=None) == (False, 'w')


def test_newest_checkpoint_of_the_run_is_resumed(work_dir, monkeypatch):
    save(work_dir / 'epoch_1.pth', NEW)  # killed before last_checkpoint was written
    assert restart(work_dir) == (True, 'epoch_1.pth')
    save(work_dir / 'interrupted.pth', NEW + 1)
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'interrupted.pth'))
    assert restart(work_dir) == (True, 'interrupted.pth')
    (work_dir / 'interrupted.pth').write_bytes(b'PK')
    assert restart(work_dir) == (True, 'epoch_1.pth')
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '0')
    assert restart(work_dir) == (False, 'w')
