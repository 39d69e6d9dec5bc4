"""Interrupted and resumed training gives results identical to uninterrupted training."""

import os
import pickle
import random
import signal
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
import torch
from forks import Forks
from mmengine.hooks import Hook
from mmengine.runner import Runner
from resumable_training import assert_same, outcome, settings, training

from dyreg_mmaction.engine import SeededSampler
from dyreg_mmaction.engine.resumable import load_seeded


class SignalItself(Hook):
    """Send the signal ``sign`` to this process at a given point."""

    def __init__(self, sign, train_iter=None, val_epoch=None):
        self.sign, self.train_iter, self.val_epoch = sign, train_iter, val_epoch

    def after_train_iter(self, runner, *args, **kwargs):
        if runner.iter == self.train_iter:
            os.kill(os.getpid(), self.sign)

    def after_val_iter(self, runner, *args, **kwargs):
        if runner.epoch == self.val_epoch:
            os.kill(os.getpid(), self.sign)


@pytest.fixture(scope='module')
def uninterrupted(tmp_path_factory):
    """Results of one uninterrupted process."""
    work_dir = tmp_path_factory.mktemp('whole')
    assert training(work_dir).wait() == [0]
    state, logged = outcome(work_dir)
    rates = [numbers['lr'] for (kind, step), numbers in logged.items() if kind == 'train' and step > 5]
    assert max(rates) > min(rates)  # the learning rate dropped, so a lost drop would be detected
    for loss in ('loss_motion_likelihood', 'loss_region_distillation'):
        values = [numbers.get(loss) for (kind, _), numbers in sorted(logged.items()) if kind == 'train']
        assert len(set(values)) > 3 and values[-1] is None, values  # it ended
    validated = [numbers for (kind, _), numbers in logged.items() if kind == 'val']
    assert validated and not any(isinstance(value, bool) for numbers in validated for value in numbers.values())
    return state, logged


def check(work_dir, uninterrupted):
    state, logged = outcome(work_dir)
    assert_same(state, uninterrupted[0])
    assert logged == uninterrupted[1]


@pytest.mark.slow
def test_sigterm_saves_in_the_middle_of_an_epoch(uninterrupted, tmp_path):
    term = dict(type=SignalItself, sign=signal.SIGTERM, train_iter=10)
    assert training(tmp_path / 'run', custom_hooks=[term]).wait() == [143]
    meta = torch.load(tmp_path / 'run' / 'interrupted.pth', weights_only=True)['meta']
    assert (meta['epoch'], meta['iter']) == (1, 11)
    assert training(tmp_path / 'run').wait() == [0]
    check(tmp_path / 'run', uninterrupted)
    assert not (tmp_path / 'run' / 'interrupted.pth').exists()


@pytest.mark.slow
def test_interrupted_checkpoint_is_kept_while_it_is_the_last(tmp_path):
    """If CheckpointHook saves rarely or never, only the interrupted checkpoint exists."""
    rare = dict(checkpoint=dict(type='CheckpointHook', interval=10, save_last=False))
    term = dict(type=SignalItself, sign=signal.SIGTERM, train_iter=2)
    for hooks, code in ([term], 143), ([], 0):
        assert training(tmp_path, epochs=1, default_hooks=rare, custom_hooks=hooks).wait() == [code]
    assert Path((tmp_path / 'last_checkpoint').read_text()) == tmp_path / 'interrupted.pth'
    assert (tmp_path / 'interrupted.pth').exists()


class Fail(Hook):
    def before_train_iter(self, *args, **kwargs):
        raise RuntimeError


def test_sigterm_ends_a_process_whose_training_has_failed(tmp_path):
    def train_and_go_on():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with suppress(RuntimeError):
            Runner(**settings(tmp_path, custom_hooks=[dict(type=Fail)])).train()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)

    assert Forks(train_and_go_on, tmp_path).wait() == [-signal.SIGTERM]


@pytest.mark.slow
def test_interrupted_validation_is_repeated(uninterrupted, tmp_path):
    """The checkpoint of the epoch was saved before it, and the learning rate depends on it."""
    for epoch, sign, code in ((2, signal.SIGTERM, 143), (3, signal.SIGKILL, -signal.SIGKILL)):
        hook = dict(type=SignalItself, sign=sign, val_epoch=epoch)
        assert training(tmp_path / 'run', custom_hooks=[hook]).wait() == [code]
    assert training(tmp_path / 'run').wait() == [0]
    check(tmp_path / 'run', uninterrupted)


@pytest.mark.slow
def test_training_epoch_by_epoch_with_any_number_of_workers(tmp_path):
    assert training(tmp_path / 'whole', phases=False).wait() == [0]
    for epochs, workers in ((1, 2), (3, 0), (4, 1)):
        assert training(tmp_path / 'run', epochs=epochs, workers=workers, phases=False).wait() == [0]
    check(tmp_path / 'run', outcome(tmp_path / 'whole'))


@pytest.mark.slow
def test_killed_at_random_moments(uninterrupted, tmp_path):
    moments, progress = random.Random(0), set()
    began = time.monotonic()
    assert training(tmp_path / 'timed').wait() == [0]
    duration = time.monotonic() - began
    for run in range(6):
        folder = tmp_path / str(run)
        for moment in ((run + moments.random()) / 6, moments.random() / 2):  # killed a second time after its restart
            process, began = training(folder), time.monotonic()
            while time.monotonic() < began + moment * duration and not process.ended():
                time.sleep(0.02)
            process.kill()
            process.wait()
            progress.add(latest.read_text()[-11:] if (latest := folder / 'last_checkpoint').exists() else '')
        assert training(folder).wait() == [0]
        check(folder, uninterrupted)
    assert len(progress) > 1


@pytest.mark.slow
def test_two_processes_resume_exactly(tmp_path):
    assert training(tmp_path / 'whole', 2).wait() == [0, 0]
    term = dict(type=SignalItself, sign=signal.SIGTERM, train_iter=6)
    assert training(tmp_path / 'parts', 2, custom_hooks=[term]).wait() == [143, 143]
    kill = dict(type=SignalItself, sign=signal.SIGKILL, val_epoch=3)
    assert training(tmp_path / 'parts', 2, custom_hooks=[kill]).wait() == [-9, -9]
    assert training(tmp_path / 'parts', 2).wait() == [0, 0]
    check(tmp_path / 'parts', outcome(tmp_path / 'whole'))


def sampler(**kwargs):
    return SeededSampler(range(10), dict(type='mmengine.DefaultSampler', **kwargs), seed=5)


def seeds(items):
    return {index: index.seed for index in items}


def test_sampler_starts_anywhere():
    items = sampler(shuffle=True)
    whole = list(items)
    assert sorted(whole) == list(range(10))
    items.start = 7
    assert list(items) == whole[7:]
    assert list(items) == whole


def test_seeds_of_samples_depend_on_seed_epoch_and_index():
    items = sampler(shuffle=True)
    first = seeds(items)
    items.set_epoch(1)
    second = seeds(items)
    items.set_epoch(0)
    assert seeds(items) == first
    items.set_seed(6)
    other = seeds(items)
    assert len({*first.values(), *second.values(), *other.values()}) == 30
    assert seeds(sampler(shuffle=False)) == first


def test_any_sampler_can_start_anywhere():
    items = SeededSampler(range(4), dict(type='mmengine.InfiniteSampler', shuffle=False), seed=5)
    items.start = 2
    assert list(islice(items, 4)) == [2, 3, 0, 1]


def test_index_determines_random_numbers_of_its_sample():
    (index, *_) = sampler(shuffle=True)
    for item in (index, pickle.loads(pickle.dumps(index))):
        drawn = load_seeded(None, lambda index: (index, random.random()), item)
        assert drawn == (index, random.Random(index.seed).random()) and type(drawn[0]) is int
