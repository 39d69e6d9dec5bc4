"""Train on CPUs."""

import os
from pathlib import Path

import pytest

from .registry import fault
from .toys import join_group_of_one, toy_runner


@fault('cuda')
def init_dist_on_cpu(folder: Path) -> None:
    import torch
    from mmengine import dist

    set_device = torch.cuda.set_device
    for launcher in ('pytorch', 'slurm'):
        join_group_of_one()
        os.environ.update(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_NODELIST='localhost', SLURM_LOCALID='0')
        dist.init_dist(launcher)
        assert dist.get_backend() == 'gloo'
        torch.distributed.destroy_process_group()
    assert torch.cuda.set_device is set_device


@fault('device_ids')
def wrap_models_on_cpu(folder: Path) -> None:
    import torch
    from mmengine.model import MMDistributedDataParallel

    join_group_of_one()
    torch.distributed.init_process_group('gloo')
    model = MMDistributedDataParallel(torch.nn.Linear(2, 1), device_ids=[0], broadcast_buffers=False)
    model(torch.ones(1, 2)).sum().backward()
    assert model.module.weight.grad.sum() == 2 and not model.broadcast_buffers


@fault('only available training on gpu')
def mix_precision_on_cpu(folder: Path) -> None:
    import torch

    for dtype in (None, 'float16'):
        optim_wrapper = dict(type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=0.1), dtype=dtype)
        runner = toy_runner(folder, optim_wrapper=optim_wrapper)
        dtypes = []
        runner.model.layer.register_forward_hook(lambda *args, dtypes=dtypes: dtypes.append(args[2].dtype))
        runner.train()
        assert dtypes == [torch.bfloat16] * 2
        assert runner.model.layer.weight.dtype == torch.float32
    toy_runner(folder, optim_wrapper=optim_wrapper, resume=True, train_cfg=dict(by_epoch=True, max_epochs=3)).train()
    runner = toy_runner(folder, optim_wrapper=optim_wrapper)
    runner.model.another = torch.nn.Conv3d(1, 1, 1)
    with pytest.raises(ValueError, match='gradients of 3D convolutions in bfloat16'):
        runner.train()
