"""Train regions with a motion loss in two processes, started by a test through torch.distributed.run.

Each process has different clips. The gradients must be those of one process with all clips, during and after the loss,
with a wrapper that does not search for unused parameters.
"""

import copy
import sys

import torch
import torch.distributed as dist
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope

import dyreg_mmaction  # noqa: F401
from dyreg_mmaction.registry import MODELS

sys.path.insert(0, sys.argv[1])
from backbone_cases import wake  # noqa: E402
from mmaction.structures import ActionDataSample  # noqa: E402
from region_runs import FRAMES, recognizer  # noqa: E402

LOSS = dict(type='MotionLikelihood', weight=1.0, until=0.5, steady=False)  # the clips are noise


def gradients(model, clips):
    model.zero_grad()
    samples = [ActionDataSample().set_gt_label(i) for i in range(len(clips))]
    losses = model(clips, samples, mode='loss')
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    given = {name.removeprefix('module.'): p.grad for name, p in model.named_parameters()}
    return given, losses


def train():
    regions = dict(type='DynamicRegions', hidden_channels=8, reference='grid')
    cfg = recognizer(regions, size=32, region_losses=[LOSS])
    torch.manual_seed(dist.get_rank())  # the weights of process 0 must win
    model = MODELS.build(cfg).eval()  # dropout off, norms frozen
    wake(model.backbone.plugins)
    parallel = MMDistributedDataParallel(model)
    alone = copy.deepcopy(model)
    optimizer = torch.optim.SGD(parallel.parameters(), 0.01)
    hub = MessageHub.get_current_instance()
    shape = (4, 2, 2, FRAMES, 1, 32, 32)  # (step,process,clip,T,C,H,W)
    clips = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for iteration, step in enumerate(clips):
        hub.update_info_dict(dict(iter=iteration, max_iters=len(clips)))
        alone.load_state_dict(model.state_dict())
        given, losses = gradients(parallel, step[dist.get_rank()])
        assert ('loss_motion_likelihood' in losses) == (iteration < 2)
        halves = [gradients(alone, half)[0] for half in step]
        for name, gradient in given.items():
            expected = (halves[0][name] + halves[1][name]) / 2
            torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-6, msg=name)
        optimizer.step()
    for value in model.state_dict().values():
        both = [torch.empty_like(value) for _ in range(2)]
        dist.all_gather(both, value)
        assert torch.equal(*both)
    dist.barrier()


if __name__ == '__main__':
    torch.set_num_threads(1)
    init_default_scope('mmaction')
    dist.init_process_group('gloo')
    train()
    print(f'process {dist.get_rank()} is done', flush=True)
    dist.destroy_process_group()
