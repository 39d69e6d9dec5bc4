"""Restarted processes."""

import os
from pathlib import Path

from .registry import fault
from .toys import join_group_of_one


@fault('AssertionError: a stale address')
def separate_restarts(folder: Path) -> None:
    """The store of torchrun outlives the processes. Each start finds it through environment variables."""
    import torch.distributed as dist

    torchrun = dist.TCPStore('127.0.0.1', 0, is_master=True, wait_for_workers=False)
    join_group_of_one()
    os.environ.update(MASTER_PORT=str(torchrun.port), TORCHELASTIC_USE_AGENT_STORE='True')
    for start in ('0', '1'):
        os.environ['TORCHELASTIC_RESTART_COUNT'] = start
        store, *_ = next(dist.rendezvous('env://'))
        assert store.add('addresses', 1) == 1, 'a stale address'
    assert torchrun.add('addresses', 0) == 1, 'the keys of the first start have changed'
