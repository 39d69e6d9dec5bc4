"""Validation runs before the first iteration, but not before a resumed one."""

from pathlib import Path

from mmengine.runner import Runner
from region_runs import config, digits, recognizer

import dyreg_mmaction  # noqa: F401


def run(work_dir, iterations, **kwargs):
    loader = dict(dataset=digits(2), batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
    cfg = config(
        work_dir,
        recognizer(dict(type='DynamicRegions', hidden_channels=8, reference='grid')),
        digits(2),
        train_dataloader=dict(loader, dataset=digits(8)),  # one epoch: between epochs MMEngine's loop sleeps
        val_dataloader=loader,
        val_cfg=dict(type='ValLoop'),
        val_evaluator=[dict(type='ObjectDistance')],
        train_cfg=dict(by_epoch=False, max_iters=iterations, val_interval=2),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False)),
        **kwargs,
    )
    cfg.custom_hooks.append(dict(type='ValidateAtStartHook'))
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


def test_validation_before_the_first_iteration_only(tmp_path):
    first = run(tmp_path / 'first', 2)
    values, _ = first.message_hub.get_scalar('val/object/dist_r').data
    assert len(values) == 2 and first.iter == 2
    again = run(tmp_path / 'again', 4, resume=True, load_from=str(Path(first.work_dir) / 'iter_2.pth'))
    # the interrupted one, as the checkpoint was saved before it, and one at the end
    assert len(again.message_hub.get_scalar('val/object/dist_r').data[0]) == 2
