"""A study run in portions gives the results of an uninterrupted run."""

from itertools import islice

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import IterBasedTrainLoop
from study_cases import study_run

from dyreg_mmaction.datasets import StreamSampler
from dyreg_mmaction.registry import DATASETS, HOOKS, LOOPS

seen: list = []


@HOOKS.register_module()
class Watch(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        hub = MessageHub.get_current_instance()
        videos = [clip.numpy().tobytes() for clip in data_batch['inputs']]
        seen.append((hub.get_info('iter'), hub.get_info('max_iters'), runner.optim_wrapper.get_lr()['lr'][0], videos))


@LOOPS.register_module()
class LoopOfTheConfig(IterBasedTrainLoop):
    def __init__(self, *args, gain, **kwargs):
        super().__init__(*args, **kwargs)
        self.gain = gain

    def run_iter(self, data_batch):
        seen.append(self.gain)
        super().run_iter(data_batch)


@pytest.fixture(autouse=True)
def nothing_seen():
    seen.clear()


def checkpoint(run):
    return torch.load(run.folder / 'checkpoint.pth', weights_only=True)


def finish(run):
    while not run.finished:
        run.portion()
    return [{key: value for key, value in point.items() if key != 'seconds'} for point in run.curve]


@pytest.mark.slow
def test_interrupted_run_gives_the_same_result(tmp_path, monkeypatch):
    whole = study_run(tmp_path, out='whole', videos=15)
    curve = finish(whole)
    study_run(tmp_path, videos=15).portion()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # during a portion
        patch.setattr(IterBasedTrainLoop, 'run_iter', interrupt)
        study_run(tmp_path, videos=15).portion()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # while saving
        patch.setattr('mmengine.runner.runner.save_checkpoint', interrupt)
        study_run(tmp_path, videos=15).portion()
    again = study_run(tmp_path, videos=15)
    assert finish(again) == curve
    assert [point['videos'] for point in curve] == [6, 12, 15] and 'shift' in curve[0]
    for ours, theirs in zip(*(checkpoint(run)['state_dict'].values() for run in (again, whole)), strict=True):
        assert torch.equal(ours, theirs)


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    'schedule, drop',
    [
        (dict(type='MultiStepLR', milestones=[3]), 6),  # four epochs are eight iterations
        (dict(type='ReduceOnPlateauLR', monitor='acc/top1', rule='greater', threshold=9, patience=0), 5),
    ],
)
def test_portions_are_equivalent_to_one_training(tmp_path, schedule, drop):
    run = study_run(tmp_path, portion=5, param_scheduler=[schedule], custom_hooks=[dict(type='Watch')])
    finish(run)
    iterations, lengths, rates, videos = zip(*seen, strict=True)
    assert iterations == tuple(range(8)) and set(lengths) == {8}
    assert rates == pytest.approx([0.01] * drop + [0.001] * (8 - drop))
    dataset = DATASETS.build(run.cfg.train_dataloader.dataset)
    stream = islice(StreamSampler(dataset, seed=0), 24)  # no sample is repeated or skipped, whatever the portion
    assert sum(videos, []) == [dataset[index]['inputs'].numpy().tobytes() for index in stream]
    assert not [name for name in MessageHub._instance_dict if name.startswith('dynamic_seed0')]


def test_loop_and_optimizer_wrapper_are_those_of_the_config(tmp_path):
    loop = dict(_delete_=True, type='LoopOfTheConfig', max_iters=3, gain=7)
    optimizer = {'optim_wrapper.type': 'OptimWrapper', 'optim_wrapper.accumulative_counts': 2}
    run = study_run(tmp_path, videos=None, train_cfg=loop, **optimizer)
    finish(run)
    assert seen == [7] * 3 and run.videos == 9
    assert checkpoint(run)['optimizer']['state'][0]['step'] == 2  # once after two iterations, once at the end


def test_default_length_is_that_of_the_config(tmp_path):
    assert study_run(tmp_path, videos=None).cfg.train_cfg.max_iters == 4 * 600_000 / 3


def test_custom_epoch_loop_raises_an_error(tmp_path):
    with pytest.raises(ValueError, match="train_cfg.type='MyEpochs' counts epochs"):
        study_run(tmp_path, **{'train_cfg.type': 'MyEpochs'})


def test_seeds_differ_in_weights(tmp_path):
    first, second = (study_run(tmp_path, 'fixed', seed=seed, portion=1) for seed in (0, 2**32 - 1))
    first.portion(), second.portion()
    first, second = (checkpoint(run)['state_dict']['backbone.conv1.conv.weight'] for run in (first, second))
    assert not torch.allclose(first, second, atol=0.1)


def test_changed_settings_raise_an_error_and_keep_the_run(tmp_path):
    study_run(tmp_path, 'fixed').portion()
    with pytest.raises(ValueError, match='fixed_seed0 contains a run with optim_wrapper.optimizer.lr=0.01, not 0.1;'):
        study_run(tmp_path, 'fixed', **{'optim_wrapper.optimizer.lr': 0.1})
    with pytest.raises(ValueError, match='val_dataloader.sampler.num_videos=5, not 6;'):
        study_run(tmp_path, 'fixed', val_videos=6)
    assert study_run(tmp_path, 'fixed').videos == 6


def test_warm_start_logs_mismatched_keys(tmp_path, capsys):
    study_run(tmp_path, 'fixed', portion=1).portion()
    file = tmp_path / 'out/fixed_seed0/checkpoint.pth'
    run = study_run(tmp_path, portion=1, load_from=str(file), **{'optim_wrapper.optimizer.lr': 0.0})
    run.portion()
    weights = [torch.load(f, weights_only=True)['state_dict'] for f in (file, run.folder / 'checkpoint.pth')]
    assert torch.equal(*(state['backbone.conv1.conv.weight'] for state in weights))
    assert 'missing keys in source state_dict' in capsys.readouterr().out


def test_nan_loss_ends_the_run_and_is_not_saved(tmp_path):
    run = study_run(tmp_path, portion=3, **{'optim_wrapper.optimizer.lr': float('inf')})
    run.portion()
    assert run.finished and run.diverged.endswith('dynamic_seed0 is nan, not finite; lower the learning rate')
    assert not (run.folder / 'checkpoint.pth').exists()
