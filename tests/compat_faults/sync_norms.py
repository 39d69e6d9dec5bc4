"""SyncBatchNorm on CPUs."""

import os
import traceback
from pathlib import Path

from .registry import fault
from .toys import join_group_of_one


@fault('SyncBatchNorm expected input tensor to be on GPU')
def sync_norms_on_cpu(folder: Path) -> None:
    """Two processes with 2 and 3 samples give the same result as one with 5."""
    import torch
    from torch import nn

    join_group_of_one()
    rank = 0 if os.fork() else 1
    os.environ.update(WORLD_SIZE='2', RANK=str(rank))
    torch.distributed.init_process_group('gloo')
    torch.manual_seed(0)
    x, gradient = torch.randn(2, 5, 3, 4, 4)
    alone = nn.BatchNorm2d(3)
    nn.init.normal_(alone.weight), nn.init.normal_(alone.bias)
    norm = nn.SyncBatchNorm(3)
    norm.load_state_dict(alone.state_dict())
    own = slice(0, 2) if rank == 0 else slice(2, 5)
    try:
        full, local = (each.clone().requires_grad_() for each in (x, x[own]))
        for _ in range(2):  # running statistics of more than one batch
            expected, given = alone(full), norm(local)
        torch.testing.assert_close(given, expected[own])
        expected.backward(gradient)
        given.backward(gradient[own])
        torch.testing.assert_close(local.grad, full.grad[own])
        torch.distributed.all_reduce(norm.weight.grad)
        torch.testing.assert_close(norm.weight.grad, alone.weight.grad)
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(norm.state_dict()[name], value)
        nn.parallel.DistributedDataParallel(norm)(local)
        norm.eval()(x), norm.to(torch.bfloat16).train()(local.bfloat16())
    finally:
        if rank == 1:
            traceback.print_exc()
            os._exit(0)
