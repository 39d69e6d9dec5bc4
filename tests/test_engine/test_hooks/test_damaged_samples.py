"""Damaged videos are logged, counted and limited in training, and count as wrong in tests."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from forks import Forks, launcher
from mmaction.datasets import VideoDataset
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope

from dyreg_mmaction.cli.launch import build_runner
from dyreg_mmaction.datasets.video.writers import write_video
from dyreg_mmaction.engine.hooks.damaged_samples import DamagedSamples

NUM = 20
STAGE = dict(num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,))


@pytest.fixture(scope='module')
def videos(tmp_path_factory) -> Path:
    """Twenty videos of three classes. Number 4 is truncated, number 9 is missing."""
    folder = tmp_path_factory.mktemp('videos')
    frames = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    write_video(folder / '0.webm', frames, fps=12)
    for number in range(1, NUM):
        shutil.copy(folder / '0.webm', folder / f'{number}.webm')
    content = (folder / '4.webm').read_bytes()
    (folder / '4.webm').write_bytes(content[: len(content) // 2])
    (folder / '9.webm').unlink()
    (folder / 'list.txt').write_text(''.join(f'{number}.webm {number % 3}\n' for number in range(NUM)))
    return folder


def config(videos: Path, work_dir: Path, limit: float | None) -> Config:
    pipeline = [
        dict(type='VideoInit', decoder='pyav'),
        dict(type='SampleFrames', clip_len=1, num_clips=2, test_mode=True),
        dict(type='VideoDecode'),
        dict(type='FormatShape', input_format='NCHW'),
        dict(type='PackActionInputs'),
    ]
    dataset = dict(
        type='VideoDataset', ann_file=str(videos / 'list.txt'), data_prefix=dict(video=str(videos)), pipeline=pipeline
    )
    loader = dict(batch_size=3, num_workers=1, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset)
    return Config(
        dict(
            default_scope='mmaction',
            work_dir=str(work_dir),
            model=dict(
                type='Recognizer2D',
                backbone=dict(type='ResNet', depth=18, pretrained=None, **STAGE),
                cls_head=dict(type='TSNHead', num_classes=3, in_channels=64, average_clips='prob'),
                data_preprocessor=dict(type='ActionDataPreprocessor', mean=[128] * 3, std=[50] * 3),
            ),
            train_dataloader=loader,
            val_dataloader=dict(loader, dataset=dict(dataset, test_mode=True)),
            test_dataloader=dict(loader, dataset=dict(dataset, test_mode=True)),
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=2),
            val_cfg=dict(type='ValLoop'),
            test_cfg=dict(type='TestLoop'),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)),
            val_evaluator=dict(type='AccMetric'),
            test_evaluator=dict(type='AccMetric', metric_list=('top_k_accuracy', 'mean_class_accuracy')),
            custom_hooks=[] if limit is None else [dict(type='DamagedSamples', limit=limit)],
            visualizer=None,
        )
    )  # fmt: skip


class KeepScores(Hook):
    """Evaluator that keeps its inputs."""

    def __init__(self):
        self.samples = []

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.samples += outputs


def log_of(work_dir: Path) -> str:
    return '\n'.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


def test_training_continues_and_logs_replaced_samples(videos, tmp_path):
    with DefaultScope.overwrite_default_scope('mmaction'):
        build_runner(config(videos, tmp_path, limit=0.1)).train()
    log = log_of(tmp_path)
    assert len(re.findall('4.webm is replaced: .*truncated: . of about 8 frames', log)) == 1  # in epochs and validation
    assert len(re.findall('9.webm is replaced: .*No such file', log)) == 1
    for epoch in (1, 2):
        report = f'2 of 20 training samples of epoch {epoch} cannot be read and were replaced: .*4.webm, .*9.webm'
        assert len(re.findall(report, log)) == 1
    assert '2 of 20 samples cannot be read and count as wrong, after epoch 2' in log


def test_training_stops_above_the_limit(videos, tmp_path):
    runner = build_runner(config(videos, tmp_path, limit=None))
    with DefaultScope.overwrite_default_scope('mmaction'):
        with pytest.raises(
            RuntimeError,
            match=r'2 training samples .* cannot be read, more than the limit of 5% of 20: .*4.webm, .*9.webm; fix',
        ):
            runner.train()


def test_damaged_samples_count_as_wrong(videos, tmp_path):
    cfg = config(videos, tmp_path, limit=None)
    runner = build_runner(cfg)
    with torch.no_grad():
        runner.model.cls_head.fc_cls.weight.zero_()
        runner.model.cls_head.fc_cls.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))  # correct for 1, 4, 7, ...
    keep = KeepScores()
    runner.register_hook(keep)
    with DefaultScope.overwrite_default_scope('mmaction'):
        metrics = runner.test()
    right = len([number for number in range(NUM) if number % 3 == 1 and number != 4])
    assert metrics['acc/top1'] == pytest.approx(right / NUM)
    assert metrics['acc/mean1'] == pytest.approx(right / (right + 1) / 3)
    wrong = [number for number, sample in enumerate(keep.samples) if sample.get('damaged')]
    assert wrong == [4, 9]
    assert [keep.samples[number].gt_label.item() for number in wrong] == [1, 0]
    assert all(keep.samples[n].pred_score.argmin() == keep.samples[n].gt_label for n in wrong)
    assert re.search('2 of 20 samples cannot be read and count as wrong.*: .*4.webm, .*9.webm', log_of(tmp_path))
    assert not runner.model._forward_hooks


def test_damaged_multi_label_samples_count_as_wrong():
    sample = ActionDataSample(damaged={'a.webm': 'no such file'})
    sample.set_gt_label(np.array([0.0, 1.0, 1.0])).set_pred_score(torch.tensor([0.2, 0.5, 0.3]))
    DamagedSamples._make_wrong(None, (), dict(mode='predict'), [sample])
    assert sample.pred_score.tolist() == pytest.approx([0.2, -0.8, -0.8]) and sample.pred_label.item() == 0


@pytest.mark.parametrize('batch', [dict(inputs=0), (0, 1), dict(data_samples=[3, 4])])
def test_custom_batches_and_outputs_are_unchanged(videos, tmp_path, batch):
    runner = build_runner(config(videos, tmp_path, limit=0.0))
    runner.train_loop  # noqa: B018, which builds it
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, DamagedSamples))
    hook.after_train_iter(runner, 0, batch)
    hook.after_val_iter(runner, 0, batch)
    hook._make_wrong(None, (), dict(mode='predict'), torch.zeros(2))


@pytest.mark.slow
def test_three_processes_list_each_sample_once(videos, tmp_path):
    """The twenty-first sample, in the third process, repeats the first one."""
    (tmp_path / 'list.txt').write_text('9.webm 0\n' + (videos / 'list.txt').read_text().partition('\n')[2])
    cfg = config(videos, tmp_path, limit=None)
    cfg.test_dataloader.dataset.ann_file = str(tmp_path / 'list.txt')

    def test():
        cfg.launcher = launcher()
        with DefaultScope.overwrite_default_scope('mmaction'):
            build_runner(cfg).test()

    Forks(test, tmp_path, 3).succeed()
    paths = ', '.join(str(videos / f'{number}.webm') for number in (9, 4))
    assert f'3 of 20 samples cannot be read and count as wrong: {paths}' in log_of(tmp_path)


class SwitchPipeline(Hook):
    """Replace the training pipeline after the first epoch, as detectors do, and access the dataset."""

    def before_train_epoch(self, runner):
        dataset = runner.train_dataloader.dataset
        assert type(dataset) is VideoDataset and dataset.get_cat_ids is not None and len(dataset.get_subset([1])) == 1
        if runner.epoch == 1:
            dataset.pipeline = Compose([*dataset.pipeline.transforms[:-1], self.mark, dataset.pipeline.transforms[-1]])

    def mark(self, results):
        return dict(results, timestamp='after')

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        stamps = {sample.get('timestamp') for sample in data_batch['data_samples']}
        assert stamps == {'after' if runner.epoch else None}


@pytest.mark.parametrize('loop', ['EpochBasedTrainLoop', 'ResumableTrainLoop'])
def test_hooks_can_change_the_dataset(videos, tmp_path, loop):
    cfg = config(videos, tmp_path, limit=0.5)
    cfg.train_cfg.type, cfg.val_cfg, cfg.val_dataloader, cfg.val_evaluator = loop, None, None, None
    cfg.train_dataloader.batch_size = 7
    before = cfg.to_dict()
    runner = build_runner(cfg)
    runner.register_hook(SwitchPipeline())
    with DefaultScope.overwrite_default_scope('mmaction'):
        runner.train()
    assert cfg.to_dict() == before and runner.cfg.train_dataloader == cfg.train_dataloader
    assert '2 of 20 training samples of epoch 2 cannot be read and were replaced' in log_of(tmp_path)


def test_hook_of_the_config_is_not_added_again(videos, tmp_path):
    for limit, number in ((None, 0.05), (0.5, 0.5)):
        hooks = [
            hook for hook in build_runner(config(videos, tmp_path, limit)).hooks if isinstance(hook, DamagedSamples)
        ]
        assert [hook.limit for hook in hooks] == [number]


def test_invalid_limit_raises_an_error():
    with pytest.raises(ValueError, match='limit=5 must be a fraction from 0 to 1'):
        DamagedSamples(limit=5)
