"""Small training with all sources of randomness in separate processes that may be killed, for tests of resuming."""

import json
import random
import time
from pathlib import Path

# import once for all forks, as it takes seconds
import matplotlib.pyplot  # noqa: F401
import mmaction.datasets  # noqa: F401
import numpy as np
import torch
import torch._dynamo
from forks import Forks, launcher
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.runner import Runner

import dyreg_mmaction.engine  # noqa: F401
from dyreg_mmaction.registry import DATASETS, MODELS


@DATASETS.register_module()
class NoisyClips(BaseDataset):
    """Clips of noise with augmentations that use all three random generators."""

    def load_data_list(self):
        return [dict(label=i % 3) for i in range(self.length)]

    def __init__(self, length=14, shape=(1, 3, 4, 32, 32), pause=0.0, **kwargs):
        self.length, self.shape, self.pause = length, shape, pause
        super().__init__(**kwargs)

    def prepare_data(self, index):
        time.sleep(self.pause)
        label = self.get_data_info(index)['label']
        clip = torch.randn(self.shape, generator=torch.Generator().manual_seed(index)) + label
        if not self.test_mode:
            clip = clip * random.random() + np.random.rand() + 0.1 * torch.randn(clip.shape)
        return dict(inputs=clip, data_samples=ActionDataSample().set_gt_label(label))


PLACE = 'layer2.1.conv2.conv'
BACKBONE = dict(
    type='DyRegResNet3d',
    depth=18,
    pretrained=None,
    base_channels=4,
    conv1_stride_t=1,
    pool1_stride_t=1,
    input_size=32,
    plugins=[dict(type='DyRegGNN', after=PLACE, num_nodes=2, node_channels=8,
                  regions=dict(type='DynamicRegions', hidden_channels=8))],
)  # fmt: skip


def settings(
    work_dir: Path, epochs: int = 4, workers: int = 0, clips: dict | None = None, phases: bool = True, **changes
) -> dict:
    """Return the config of a run that starts or resumes. Regions learn from a teacher if it has been saved.

    Without ``phases`` nothing depends on the length of training.
    """
    phase = dict(until=0.8, ending='cosine') if phases else {}
    losses = [dict(type='MotionLikelihood', weight=0.5, steady=False, **phase)]  # on noise
    if phases and (work_dir / 'teacher.pth').exists():
        teacher = dict(config=str(work_dir / 'teacher.py'), checkpoint=str(work_dir / 'teacher.pth'))
        losses.append(dict(type='RegionDistillation', until=0.6, release=True, teachers={PLACE: teacher}))
    head = dict(type='I3DHead', num_classes=3, in_channels=32, dropout_ratio=0.5, average_clips='prob')

    def loader(test_mode):
        return dict(
            batch_size=2,
            num_workers=workers,
            persistent_workers=workers > 0,
            sampler=dict(type='DefaultSampler', shuffle=not test_mode),
            dataset=dict(type='NoisyClips', test_mode=test_mode, **(clips or {})),
        )

    config = dict(
        model=dict(type='RegionRecognizer3D', backbone=BACKBONE, cls_head=head, region_losses=losses),
        work_dir=str(work_dir),
        train_dataloader=loader(False),
        val_dataloader=loader(True),
        train_cfg=dict(type='ResumableTrainLoop', max_epochs=epochs),
        val_cfg=dict(type='ValLoop'),
        val_evaluator=dict(type='AccMetric'),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01, momentum=0.9), clip_grad=dict(max_norm=20)),
        param_scheduler=[
            # only the first epoch improves the best score by 1, so each of the others drops the rate
            dict(
                type='ReduceOnPlateauLR',
                monitor='acc/top1',
                rule='greater',
                threshold=1,
                threshold_rule='abs',
                factor=0.5,
                patience=0,
                end=10**9,  # otherwise max_epochs, which may be that of a partial run
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


def write_teacher(work_dir: Path) -> None:
    """Return the same teacher every time."""
    work_dir.mkdir(exist_ok=True)
    Config(dict(model=dict(backbone=BACKBONE))).dump(work_dir / 'teacher.py')
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = MODELS.build(dict(BACKBONE, _scope_='mmaction'))
        for weight in model.plugins.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    torch.save(dict(state_dict={f'backbone.{name}': value for name, value in model.state_dict().items()}),
               work_dir / 'teacher.pth')  # fmt: skip


def training(work_dir: Path, processes: int = 1, **kwargs) -> Forks:
    """Train with :func:`settings` and a teacher in forked processes."""
    write_teacher(work_dir)
    return Forks(lambda: Runner(**settings(work_dir, launcher=launcher(), **kwargs)).train(), work_dir, processes)


def outcome(work_dir: Path, epochs: int = 4) -> tuple[dict, dict]:
    """Return the state of the last checkpoint, and logged numbers by (kind, step)."""
    checkpoint = torch.load(work_dir / f'epoch_{epochs}.pth', weights_only=True)
    state = {key: checkpoint[key] for key in ('state_dict', 'optimizer', 'param_schedulers')}
    logged = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # truncated when the process was killed
                continue
            kind = 'val' if 'acc/top1' in entry else 'train'
            numbers = {key: value for key, value in entry.items() if 'time' not in key and key != 'memory'}
            # iterations repeated after a kill must log the same values
            assert logged.setdefault((kind, entry['step']), numbers) == numbers, work_dir
    return state, logged


def assert_same(a, b, where=''):
    """Check that nested containers of tensors are identical."""
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
