"""Training in several processes and nodes gives the results of one process, and all processes end together."""

import json
import os
import re
import socket
import time
from pathlib import Path

import pytest
import torch
from distributed_training import tsm_settings, write_first_weights
from forks import Forks, launcher
from mmengine.config import Config
from region_runs import config as run_config
from region_runs import digits, recognizer
from tool_runs import dist_train, wait_for

from dyreg_mmaction.cli.launch import build_runner


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """Folder with the initial weights of all runs."""
    folder = tmp_path_factory.mktemp('distributed')
    write_first_weights(folder / 'first.pth')
    return folder


def config(folder: Path, processes: int, **changes) -> Config:
    return Config(tsm_settings(folder / 'run', processes, load_from=str(folder / 'first.pth'), **changes))


def config_file(folder: Path, processes: int, **changes) -> str:
    cfg = config(folder, processes, **changes)
    cfg.pop('work_dir')
    path = folder / f'{"_".join(map(str, [processes, *changes]))}.py'
    cfg.dump(path)
    return str(path)


def fork(folder: Path, work_dir: Path, processes: int, **changes) -> None:
    """Train in forked processes with the runner of tools/train.py."""

    def train():
        cfg = config(folder, processes, launcher=launcher(), **changes)
        cfg.work_dir = str(work_dir)
        build_runner(cfg).train()

    Forks(train, work_dir, processes).succeed()


@pytest.fixture(scope='module')
def alone(folder) -> dict[str, dict]:
    """Results of one process with full batches, by mode of the norms."""
    for norms in ('frozen', 'synchronized'):
        fork(folder, folder / norms, 1, norms=norms)
    return {norms: torch.load(folder / norms / 'rank0.pth') for norms in ('frozen', 'synchronized')}


def check(work_dir: Path, expected: dict, folder: Path) -> None:
    """Both processes have identical weights, equal to those of one process within 1e-5."""
    first = torch.load(folder / 'first.pth')['state_dict']
    states = [torch.load(work_dir / f'rank{rank}.pth', map_location='cpu') for rank in range(2)]
    for name, value in expected.items():
        assert torch.equal(states[0][name], states[1][name]), name
        torch.testing.assert_close(
            states[0][name], value, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f'{name}: {text}'
        )
    moved = {name: (value - first[name]).abs().max() for name, value in expected.items() if 'plugins' in name}
    log = ''.join(path.read_text() for path in work_dir.glob('*/vis_data/scalars.json'))
    assert 'loss_motion_likelihood' in log
    assert sorted(moved.values())[len(moved) // 2] > 1e-4  # ten times the tolerance


@pytest.mark.slow
@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_two_processes_with_half_the_batch_learn_like_one(device, alone, folder, tmp_path):
    expected, env = alone['synchronized'], dict(CUDA_VISIBLE_DEVICES='')
    if device == 'cuda':
        if torch.cuda.device_count() < 2:
            pytest.skip('SyncBatchNorm over NCCL needs two GPUs')
        env = dict(NVIDIA_TF32_OVERRIDE='0')
        cfg = config_file(folder, 1, norms='synchronized')
        process = dist_train(cfg, tmp_path, processes=1, **env)
        assert process.wait() == 0, process.stdout.read()
        expected = torch.load(tmp_path / 'rank0.pth', map_location='cpu')
    process = dist_train(config_file(folder, 2, norms='synchronized'), tmp_path, **env)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output[-4000:]
    check(tmp_path, expected, folder)


@pytest.mark.slow
def test_two_processes_with_a_node_classifier_learn_like_one(folder, tmp_path):
    """Rounding errors of its gradients are larger than those of the other losses."""
    model = tsm_settings(tmp_path)['model'] | dict(node_classifier={}, region_losses=[])
    states = []
    for processes in (1, 2):
        fork(folder, tmp_path / str(processes), processes, model=model)
        states += [torch.load(tmp_path / str(processes) / f'rank{rank}.pth') for rank in range(processes)]
    alone, *both = states
    names = [name for name in alone if name.startswith('node_classifier.')]
    assert len(names) == 8
    for name, value in alone.items():
        assert torch.equal(both[0][name], both[1][name]), name
        torch.testing.assert_close(both[0][name], value, rtol=1e-3, atol=1e-4)
    log = ''.join(path.read_text() for path in tmp_path.glob('2/*/vis_data/scalars.json'))
    assert 'loss_node_classifier' in log


@pytest.mark.slow
def test_two_machines_learn_like_one_process(alone, folder, tmp_path):
    """Each node has its own launcher, configured by NNODES, NODE_RANK, MASTER_ADDR and PORT."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        env = dict(NNODES='2', MASTER_ADDR='127.0.0.1', PORT=str(probe.getsockname()[1]), CUDA_VISIBLE_DEVICES='')
    cfg = config_file(folder, 2, norms='frozen')
    nodes = [dist_train(cfg, tmp_path, processes=1, NODE_RANK=str(rank), **env) for rank in range(2)]
    for node in nodes:
        output = node.communicate(timeout=300)[0]
        assert node.returncode == 0, output[-4000:]
    check(tmp_path, alone['frozen'], folder)


@pytest.mark.slow
def test_flexible_runner_with_ddp_learns_like_one_process(alone, folder, tmp_path):
    strategy = dict(type='DDPStrategy', sync_bn='torch')
    fork(folder, tmp_path, 2, norms='synchronized', runner_type='FlexibleRunner', strategy=strategy)
    check(tmp_path, alone['synchronized'], folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    'how, words',
    [
        ('error', ['The process of rank 1 failed:', 'in before_train_iter', 'ZeroDivisionError: division by zero']),
        ('kill', ['Signal 9 (SIGKILL) received']),
    ],
)
def test_failed_process_ends_the_job_and_is_reported(how, words, folder, tmp_path):
    cfg = config_file(folder, 2, custom_hooks=[dict(type='Die', how=how)])
    job = dist_train(cfg, tmp_path, '--cfg-options', 'train_dataloader.num_workers=1', CUDA_VISIBLE_DEVICES='')
    try:
        output = wait_for(job, 'rank 1 dies')
        death = time.monotonic()
        output += job.communicate(timeout=120)[0]
        assert time.monotonic() - death < 60  # torchrun waits 30 s for processes that ignore signals
    finally:
        job.kill()
    assert job.returncode != 0
    summary = output[output.rindex('train.py FAILED') :]  # printed by torchrun
    assert 'rank      : 1 (local_rank: 1)' in summary
    assert all(word in output for word in words), output[-4000:]
    assert words[-1] in summary
    assert not re.search(r'Epoch\(train\) +\[2\]', output)


def metrics(folder: Path, processes: int) -> dict:
    """7 samples, by batch size and whether the last batch is padded."""

    def test():
        found = {}
        for batch_size in (2, 3):
            for round_up in (True, False):
                name = f'{batch_size} {round_up}'
                cfg = run_config(folder / name, MODEL, digits(length=7), batch_size, launcher=launcher())
                cfg.test_dataloader.sampler.round_up = round_up
                cfg.test_evaluator = [dict(type='ObjectDistance'), dict(type='AccMetric')]
                cfg.randomness = dict(seed=0)
                found[name] = build_runner(cfg).test()
        if os.environ['RANK'] == '0':
            (folder / 'metrics.json').write_text(json.dumps(found))

    Forks(test, folder, processes).succeed()
    return json.loads((folder / 'metrics.json').read_text())


MODEL = recognizer(dict(type='DynamicRegions', hidden_channels=8, reference='grid'), dict(type='FixedRegions'))


@pytest.mark.slow
def test_metrics_count_each_sample_once(tmp_path):
    one = metrics(tmp_path / '1', 1)
    assert all(found['object/videos'] == 7 for found in one.values())
    for processes in (2, 3):
        several = metrics(tmp_path / str(processes), processes)
        for name, expected in one.items():
            assert several[name] == pytest.approx(expected, abs=1e-6), (processes, name)
