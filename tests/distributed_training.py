"""Train a small TSM with plugins in any number of processes, for tests of distributed training."""

import os
import signal
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from resumable_training import settings

from dyreg_mmaction.registry import HOOKS, MODELS

FRAMES, CLIPS = 4, 8
AFTER_CONV, AFTER_NORM = 'layer1.1.conv2.conv', 'layer2.1.conv2.bn'


@HOOKS.register_module()
class KeepWeights(Hook):
    """Write the final state of every process."""

    def after_train(self, runner):
        state = {name.removeprefix('module.'): value for name, value in runner.model.state_dict().items()}
        torch.save(state, Path(runner.work_dir) / f'rank{get_rank()}.pth')


@HOOKS.register_module()
class Die(Hook):
    """End the process of rank 1 in the second iteration, in one of two ways."""

    def __init__(self, how):
        self.how = how

    def before_train_iter(self, runner, *args, **kwargs):
        if runner.iter == 1 and get_rank() == 1:
            print('rank 1 dies', flush=True)
            dict(
                error=lambda: 1 / 0,
                kill=lambda: os.kill(os.getpid(), signal.SIGKILL),
            )[self.how]()


def write_first_weights(path: Path) -> None:
    """Build the model of :func:`tsm_settings` with plugins that have an effect and small rounding errors."""
    torch.manual_seed(0)
    model = MODELS.build(dict(tsm_settings(path)['model'], _scope_='mmaction'))
    model.init_weights()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if 'plugins' in name and value.ndim == 1 and not value.any():  # scales of residuals and of regions
                value.fill_(0.5)
            elif name.endswith('running_var'):
                value.fill_(4)
    torch.save(dict(state_dict=model.state_dict()), path)


def tsm_settings(work_dir: Path, processes: int = 1, norms: str = 'frozen', **changes) -> dict:
    """Return the config of a training of 6 iterations with a total batch size of 4 clips.

    Norms are 'frozen' or 'synchronized'. A region loss ends after 3 iterations. One plugin is between a convolution and
    its norm, one after a norm.
    """
    plugin = dict(type='DyRegGNN', num_nodes=2, node_channels=8, regions=dict(type='DynamicRegions', hidden_channels=8))
    model = dict(
        type='RegionRecognizer2D',
        backbone=dict(
            type='DyRegResNetTSM',
            depth=18,
            num_segments=FRAMES,
            pretrained=None,
            input_size=32,
            norm_eval=norms == 'frozen',
            plugins=[dict(plugin, after=place) for place in (AFTER_CONV, AFTER_NORM)],
        ),
        cls_head=dict(type='TSMHead', num_classes=3, in_channels=512, num_segments=FRAMES, dropout_ratio=0,
                      average_clips='prob'),
        region_losses=[dict(type='MotionLikelihood', weight=1.0, until=0.6, steady=False)],
    )  # fmt: skip
    cfg = settings(work_dir, epochs=3, clips=dict(shape=(FRAMES, 3, 32, 32), length=CLIPS), model=model, resume=False)
    cfg['train_dataloader']['batch_size'] = 4 // processes
    cfg['custom_hooks'] = [dict(type='KeepWeights')]
    cfg['optim_wrapper']['optimizer']['lr'] = 0.003  # with larger ones rounding errors flip single ReLUs
    cfg['sync_bn'] = 'torch'
    cfg['env_cfg'] = dict(dist_cfg=dict(backend='nccl'))
    cfg['default_hooks']['checkpoint'] = dict(type='CheckpointHook', interval=-1)
    for key in ('val_cfg', 'val_dataloader', 'val_evaluator'):
        cfg[key] = None
    del cfg['param_scheduler'][0]  # needs validation
    cfg['custom_imports'] = dict(imports=['distributed_training'])
    return {**cfg, **changes}
