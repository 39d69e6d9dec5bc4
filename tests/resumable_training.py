"""A small training with all that is random, in processes of their own that may be killed: for tests of resuming."""

import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

# the first two for all forks at once: they take seconds
import matplotlib.pyplot  # noqa: F401
import mmaction.datasets  # noqa: F401
import numpy as np
import torch
import torch._dynamo
from mmaction.structures import ActionDataSample
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner

import dyreg_mmaction.engine  # noqa: F401
from dyreg_mmaction.registry import DATASETS


@DATASETS.register_module()
class NoisyClips(BaseDataset):
    """Clips of noise whose augmentation draws from all three generators."""

    def load_data_list(self):
        return [dict(label=i % 3) for i in range(self.length)]

    def __init__(self, length=14, pause=0.0, **kwargs):
        self.length, self.pause = length, pause
        super().__init__(**kwargs)

    def prepare_data(self, index):
        time.sleep(self.pause)
        label = self.get_data_info(index)['label']
        clip = torch.randn(1, 3, 4, 32, 32, generator=torch.Generator().manual_seed(index)) + label
        if not self.test_mode:
            clip = clip * random.random() + np.random.rand() + 0.1 * torch.randn(clip.shape)
        return dict(inputs=clip, data_samples=ActionDataSample().set_gt_label(label))


def settings(work_dir: Path, epochs: int = 4, workers: int = 0, pause: float = 0.0, **changes) -> dict:
    """Of a runner that trains to the end, or on to the end."""
    backbone = dict(
        type='DyRegResNet3d',
        depth=18,
        pretrained=None,
        base_channels=4,
        conv1_stride_t=1,
        pool1_stride_t=1,
        input_size=32,
        plugins=[dict(type='DyRegGNN', after='layer2.1.conv2.conv', num_nodes=2, node_channels=8,
                      regions=dict(type='DynamicRegions', hidden_channels=8))],
    )  # fmt: skip
    head = dict(type='I3DHead', num_classes=3, in_channels=32, dropout_ratio=0.5, average_clips='prob')

    def loader(test_mode):
        return dict(
            batch_size=2,
            num_workers=workers,
            persistent_workers=workers > 0,
            sampler=dict(type='DefaultSampler', shuffle=not test_mode),
            dataset=dict(type='NoisyClips', test_mode=test_mode, pause=pause),
        )

    config = dict(
        model=dict(type='Recognizer3D', backbone=backbone, cls_head=head),
        work_dir=str(work_dir),
        train_dataloader=loader(False),
        val_dataloader=loader(True),
        train_cfg=dict(type='ResumableTrainLoop', max_epochs=epochs),
        val_cfg=dict(type='ValLoop'),
        val_evaluator=dict(type='AccMetric'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9), clip_grad=dict(max_norm=20)),
        param_scheduler=[
            # no epoch but the first is better than the best by 1: a drop after each of the others
            dict(
                type='ReduceOnPlateauLR',
                monitor='acc/top1',
                rule='greater',
                threshold=1,
                threshold_rule='abs',
                factor=0.5,
                patience=0,
                end=10**9,  # else max_epochs, which may be that of a piece
            ),
            dict(type='LinearLR', start_factor=0.1, begin=0, end=5, by_epoch=False),
        ],
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=2),
            checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=1, save_best='acc/top1'),
        ),
        default_scope='mmaction',
        randomness=dict(seed=3),
        resume=True,
        log_level='WARNING',
    )
    return {**config, **changes}


class Training:
    """A training in one or more forked processes.

    Args:
        work_dir (Path): Where it writes.
        processes (int): How many.
        **kwargs: Of :func:`settings`.
    """

    def __init__(self, work_dir: Path, processes: int = 1, **kwargs):
        self.work_dir = work_dir
        work_dir.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        environment = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), WORLD_SIZE=str(processes))
        self.pids = []
        for rank in range(processes):
            pid = os.fork()
            if pid:
                self.pids.append(pid)
                continue
            code = 1
            try:
                os.environ.update(environment, RANK=str(rank), LOCAL_RANK=str(rank))
                sys.stdout = sys.stderr = open(work_dir / f'output{rank}.txt', 'a', buffering=1)
                launcher = 'pytorch' if processes > 1 else 'none'
                Runner(**settings(work_dir, launcher=launcher, **kwargs)).train()
                code = 0
            except SystemExit as exit:
                code = exit.code
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)

    def kill(self, sign: int = signal.SIGKILL):
        """Send a signal to all processes."""
        for pid in self.pids:
            os.kill(pid, sign)

    def wait(self) -> list[int]:
        """Exit codes."""
        return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in self.pids]


def outcome(work_dir: Path, epochs: int = 4) -> tuple[dict, dict]:
    """State of the last checkpoint, and numbers logged by (kind, step)."""
    checkpoint = torch.load(work_dir / f'epoch_{epochs}.pth', weights_only=True)
    state = {key: checkpoint[key] for key in ('state_dict', 'optimizer', 'param_schedulers')}
    logged = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # cut by a kill
                continue
            kind = 'val' if 'acc/top1' in entry else 'train'
            numbers = {key: value for key, value in entry.items() if 'time' not in key and key != 'memory'}
            # what is trained twice, after a kill, must be logged alike
            assert logged.setdefault((kind, entry['step']), numbers) == numbers, work_dir
    return state, logged


def assert_same(a, b, where=''):
    """Nested containers of tensors are equal to the bit."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f'{where}.{key}')
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f'{where}.{i}')
    else:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b, where
