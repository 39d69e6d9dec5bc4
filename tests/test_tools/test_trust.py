"""tools/train.py --resume with an untrusted checkpoint."""

import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from resumable_training import settings
from tool_runs import fail, run


def train(config: Path, *arguments: str, run=run) -> str:
    return run(sys.executable, 'tools/train.py', str(config), '--work-dir', str(config.parent / 'run'), *arguments)


@pytest.mark.slow
def test_no_config_in_a_checkpoint_is_executed(tmp_path):
    cfg = settings(tmp_path, epochs=1)
    for key in ('work_dir', 'resume', 'log_level'):
        del cfg[key]
    cfg['custom_imports'] = dict(imports=['resumable_training'])
    Config(cfg).dump(tmp_path / 'toy.py')
    train(tmp_path / 'toy.py')
    assert 'FiniteHook' in (tmp_path / 'run' / 'toy.py').read_text()

    file, trace = tmp_path / 'run' / 'epoch_1.pth', tmp_path / 'trace'
    checkpoint = torch.load(file)
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    checkpoint['message_hub']['runtime_info']['cfg'] += f'\n{code}\n'
    torch.save(checkpoint, tmp_path / 'hub.pth')
    resumed = train(
        tmp_path / 'toy.py', '--resume', str(tmp_path / 'hub.pth'), '--cfg-options', 'train_cfg.max_epochs=2'
    )
    assert 'resumed epoch: 1' in resumed
    assert not trace.exists()

    checkpoint['meta']['config'] = code
    torch.save(checkpoint, tmp_path / 'meta.pth')
    refused = train(
        tmp_path / 'toy.py', '--resume', str(tmp_path / 'meta.pth'), '--cfg-options', 'train_cfg.max_epochs=2', run=fail
    )
    assert 'code in a checkpoint is not executed' in refused.splitlines()[-1]
    assert not trace.exists()
