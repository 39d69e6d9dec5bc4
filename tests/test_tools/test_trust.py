"""tools/train.py --resume with an untrusted checkpoint."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from resumable_training import settings

ROOT = Path(__file__).parents[2]


def train(config: Path, *arguments: str) -> subprocess.CompletedProcess:
    env = {**os.environ, 'PYTHONPATH': f'{ROOT}:{ROOT / "tests"}', 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, 'tools/train.py', str(config), '--work-dir', str(config.parent / 'run'), *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@pytest.mark.slow
def test_no_config_in_a_checkpoint_is_executed(tmp_path):
    cfg = settings(tmp_path, epochs=1)
    for key in ('work_dir', 'resume', 'log_level'):
        del cfg[key]
    cfg['custom_imports'] = dict(imports=['resumable_training'])
    Config(cfg).dump(tmp_path / 'toy.py')
    first = train(tmp_path / 'toy.py')
    assert first.returncode == 0, first.stdout[-4000:]
    assert 'FiniteHook' in (tmp_path / 'run' / 'toy.py').read_text()

    file, trace = tmp_path / 'run' / 'epoch_1.pth', tmp_path / 'trace'
    checkpoint = torch.load(file)
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    checkpoint['message_hub']['runtime_info']['cfg'] += f'\n{code}\n'
    torch.save(checkpoint, tmp_path / 'hub.pth')
    resumed = train(
        tmp_path / 'toy.py', '--resume', str(tmp_path / 'hub.pth'), '--cfg-options', 'train_cfg.max_epochs=2'
    )
    assert resumed.returncode == 0 and 'resumed epoch: 1' in resumed.stdout, resumed.stdout[-4000:]
    assert not trace.exists()

    checkpoint['meta']['config'] = code
    torch.save(checkpoint, tmp_path / 'meta.pth')
    refused = train(
        tmp_path / 'toy.py', '--resume', str(tmp_path / 'meta.pth'), '--cfg-options', 'train_cfg.max_epochs=2'
    )
    assert refused.returncode == 1 and 'code in a checkpoint is not executed' in refused.stdout.splitlines()[-1]
    assert not trace.exists()
