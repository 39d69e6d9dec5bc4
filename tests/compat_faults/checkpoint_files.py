"""Write and remove checkpoints."""

from pathlib import Path

import pytest

from .registry import fault
from .toys import toy_runner


@fault('AssertionError: half a file')
def write_checkpoints_whole(folder: Path) -> None:
    import resource

    import torch
    from mmengine.runner import runner

    file = folder / 'epoch_1.pth'
    runner.save_checkpoint(dict(weight=torch.ones(10_000)), str(file))
    before = file.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # simulates a full disk
    with pytest.raises(OSError, match='File too large'):
        runner.save_checkpoint(dict(weight=torch.zeros(10_000)), str(file))
    assert file.read_bytes() == before, 'half a file'


@fault('AssertionError: the old checkpoint is gone')
def remove_checkpoints_last(folder: Path) -> None:
    runner = toy_runner(
        folder, default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1))
    )
    stock = runner.save_checkpoint

    def fail_in_epoch_2(out_dir, filename, *args, **kwargs):
        if filename == 'epoch_2.pth':
            raise KeyboardInterrupt
        stock(out_dir, filename, *args, **kwargs)

    runner.save_checkpoint = fail_in_epoch_2
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert (folder / 'run' / 'epoch_1.pth').exists(), 'the old checkpoint is gone'
    again = toy_runner(
        folder / 'again', default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1))
    )
    again.train()
    assert [file.name for file in (folder / 'again' / 'run').glob('*.pth')] == ['epoch_2.pth']
    _remove_best_checkpoints_last(folder)


def _remove_best_checkpoints_last(folder: Path) -> None:
    """Best checkpoints: one that cannot be saved, one that can, and one with the same name as the previous one."""
    hook = dict(type='CheckpointHook', interval=-1, save_last=False, save_best='acc')
    runner = toy_runner(folder / 'best', default_hooks=dict(checkpoint=hook))
    work_dir = folder / 'best' / 'run'
    runner.train()
    checkpoint = next(hook for hook in runner.hooks if type(hook).__name__ == 'CheckpointHook')
    stock = runner.save_checkpoint

    def best(epoch, acc):
        runner.train_loop._epoch = epoch
        checkpoint.after_val_epoch(runner, dict(acc=acc))
        return sorted(file.name for file in work_dir.glob('*.pth'))

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    assert best(1, 0.1) == ['best_acc_epoch_1.pth']
    runner.save_checkpoint = fail
    with pytest.raises(KeyboardInterrupt):
        best(2, 0.2)
    assert (work_dir / 'best_acc_epoch_1.pth').exists(), 'the best checkpoint is gone'
    runner.save_checkpoint, checkpoint.best_ckpt_path = stock, str(work_dir / 'best_acc_epoch_1.pth')
    assert best(3, 0.3) == ['best_acc_epoch_3.pth']
    assert best(3, 0.4) == ['best_acc_epoch_3.pth']
