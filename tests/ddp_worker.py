"""Train a backbone with plugins in two processes, started by a test through torch.distributed.run.

Each process has different clips. The gradients must be those of one process with all clips, and the weights of both
must stay identical.
"""

import copy
import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import dyreg_mmaction  # noqa: F401

sys.path.insert(0, sys.argv[1])
from backbone_cases import toy, wake  # noqa: E402


def gradients(model, clips):
    model.zero_grad()
    model(clips).square().mean().backward()
    return {name.removeprefix('module.'): parameter.grad for name, parameter in model.named_parameters()}


def train():
    torch.manual_seed(dist.get_rank())  # the weights of process 0 must win
    model = toy('first', 'second')
    wake(model.plugins)
    parallel = DistributedDataParallel(model)  # without find_unused_parameters
    alone = copy.deepcopy(model)
    optimizer = torch.optim.SGD(parallel.parameters(), 0.01)
    clips = torch.randn(3, 2, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))  # (step,process,T,C,H,W)
    for step in clips:
        alone.load_state_dict(model.state_dict())
        expected = gradients(alone, step.flatten(0, 1))
        given = gradients(parallel, step[dist.get_rank()])
        assert given.keys() == expected.keys()
        for name, gradient in given.items():
            assert gradient is not None, name
            torch.testing.assert_close(gradient, expected[name], rtol=1e-3, atol=1e-6, msg=name)
        optimizer.step()
    for value in model.state_dict().values():
        both = [torch.empty_like(value) for _ in range(2)]
        dist.all_gather(both, value)
        assert torch.equal(*both)
    dist.barrier()


if __name__ == '__main__':
    torch.set_num_threads(1)
    dist.init_process_group('gloo')
    train()  # deletes the parallel model on return, which otherwise may hang the exit
    print(f'process {dist.get_rank()} is done', flush=True)
    dist.destroy_process_group()
