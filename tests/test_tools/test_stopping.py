"""tools/train.py and dist_train.sh are stopped, killed, restarted, or started twice."""

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.config import Config
from resumable_training import assert_same, outcome, settings
from tool_runs import dist_train, start, wait_for


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> str:
    """Config of 12 iterations of at least 0.2 s."""
    folder = tmp_path_factory.mktemp('config')
    cfg = settings(folder, epochs=3, workers=1, clips=dict(pause=0.1))
    for key in ('work_dir', 'resume', 'log_level'):
        del cfg[key]
    cfg['custom_imports'] = dict(imports=['resumable_training'])
    cfg['train_cfg'] = dict(type='EpochBasedTrainLoop', max_epochs=3)
    cfg['default_hooks']['logger']['interval'] = 1
    Config(cfg).dump(folder / 'toy.py')
    return str(folder / 'toy.py')


@pytest.fixture(scope='module')
def whole(config, tmp_path_factory):
    """Folder of an uninterrupted training, and a function that waits for it and returns its outcome."""
    folder = tmp_path_factory.mktemp('whole')
    launcher = dist_train(config, folder)

    @functools.cache
    def wait():
        assert 'Epoch(val) [3]' in launcher.communicate(timeout=300)[0]
        return outcome(folder, epochs=3)

    return folder, wait


def children(pid: int) -> list[int]:
    return [int(child) for child in subprocess.run(['pgrep', '-P', str(pid)], capture_output=True).stdout.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_killed_launcher_ends_workers_and_one_writer_at_a_time(config, tmp_path):
    launcher = dist_train(config, tmp_path / 'run', '--cfg-options', 'train_cfg.max_epochs=1000')
    wait_for(launcher, 'Epoch(train)')
    workers = children(launcher.pid)
    assert len(workers) == 2
    second = start(sys.executable, 'tools/train.py', config, '--work-dir', str(tmp_path / 'run'))
    output = second.communicate()[0]
    assert all(map(alive, workers))
    assert second.returncode == 1 and 'Traceback' not in output
    assert any(f'is in use by process {pid} on' in output.splitlines()[-1] for pid in workers)
    launcher.kill()
    end = time.monotonic() + 15
    while any(map(alive, workers)):
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
def test_one_or_two_sigterms_give_the_same_result(config, whole, tmp_path):
    parts = dist_train(config, tmp_path / 'parts', '--resume')  # concurrently with the other one: both find a free port
    wait_for(parts, 'Epoch(train) [2][3/4]')
    parts.send_signal(signal.SIGTERM)
    output = parts.communicate(timeout=300)[0]
    assert parts.returncode != 0 and 'Stopped by SIGTERM' in output, output[-4000:]
    assert (tmp_path / 'parts' / 'last_checkpoint').read_text().endswith('interrupted.pth')

    parts = dist_train(config, tmp_path / 'parts', '--resume')
    output = parts.communicate(timeout=300)[0]
    assert parts.returncode == 0, output[-4000:]
    assert 'Epoch(train) [1]' not in output and 'Epoch(train) [2][1/4]' not in output
    assert 'Resuming from' in output

    state, logged = outcome(tmp_path / 'parts', epochs=3)
    _, wait = whole
    expected, expected_log = wait()
    assert_same(state, expected)
    assert logged == expected_log


@pytest.mark.slow
def test_restarted_process_gives_the_same_result(config, whole, tmp_path):
    """Restarted before the first checkpoint, ignoring that of an older run, and after it."""
    folder, wait = whole
    expected, expected_log = wait()
    (tmp_path / 'restarted').mkdir()
    shutil.copy(folder / 'epoch_3.pth', tmp_path / 'restarted' / 'epoch_9.pth')
    (tmp_path / 'restarted' / 'last_checkpoint').write_text(str(tmp_path / 'restarted' / 'epoch_9.pth'))
    launcher = dist_train(config, tmp_path / 'restarted', MAX_RESTARTS='2')
    wait_for(launcher, 'Epoch(train) [1][2/4]')
    os.kill(children(launcher.pid)[1], signal.SIGKILL)
    output = wait_for(launcher, 'Epoch(train) [2][2/4]')
    assert 'Epoch(train) [1][1/4]' in output and 'Restarted before this run saved a checkpoint' in output, output[
        -4000:
    ]
    os.kill(children(launcher.pid)[1], signal.SIGKILL)
    output = launcher.communicate(timeout=300)[0]
    assert launcher.returncode == 0 and 'Resuming from' in output, output[-4000:]
    state, logged = outcome(tmp_path / 'restarted', epochs=3)
    assert_same(state, expected)
    assert logged == expected_log


def test_no_validate_with_plateau_schedule_raises_an_error(config, tmp_path):
    training = start(sys.executable, 'tools/train.py', config, '--work-dir', str(tmp_path / 'run'), '--no-validate')
    output = training.communicate()[0]
    assert training.returncode == 1 and 'of the validation, which is disabled' in output.splitlines()[-1]
    assert 'Traceback' not in output
