"""Non-finite losses and gradients do not reach the weights, and the error names the module."""

import re

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import Runner
from torch import nn

from dyreg_mmaction.engine import FiniteHook


class Root(nn.Module):
    """Layer that can return a non-finite gradient."""

    def forward(self, x, flag):
        return x + (x - x.detach()).sqrt() if flag else x


class Log(nn.Module):
    def forward(self, x):
        return x.log() if (x < -50).any() else x


class Net(BaseModel):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.log, self.body = Log(), nn.Sequential(nn.Linear(2, 3), nn.ReLU(inplace=True), nn.Linear(3, 3))
        self.norm, self.root, self.head = nn.BatchNorm1d(3), Root(), nn.Linear(3, 1)
        self.start = nn.Parameter(torch.zeros(2))

    def forward(self, inputs, mode):
        x = torch.stack(inputs)
        if (x == 8).any():
            x = x + (self.start - self.start.detach()).sqrt()
        x = self.root(self.norm(self.body(self.log(x))), flag=(x == 7).any())
        return dict(loss=self.head(x).square().mean(), metric=torch.tensor(float('nan')))


GOOD = [[0.3, -0.2], [0.9, 0.4], [-0.5, 0.6]]
FAULTS = {
    'value': (
        [-60.0, 0.0],
        r'the loss .loss. is not finite in iteration 2: the first such value is in the output of log \(Log\)',
    ),
    'input': (
        [float('nan'), 0.0],
        r'the loss .*: the first such value is in the input of data_preprocessor \(BaseData',
    ),
    'gradient': (
        [7.0, 0.0],
        r'the gradient of norm.bias .*: the first such gradient is in the backward pass of root \(Root\)',
    ),
    'parameter': (
        [8.0, 0.0],
        'the gradient of start is not finite in iteration 2: outputs and gradients of all modules',
    ),
}


@OPTIM_WRAPPERS.register_module(force=True)
class ScaledWrapper(OptimWrapper):
    """Loss scaling of AmpOptimWrapper on the CPU, with an initial scale that overflows."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scaler = torch.amp.GradScaler('cpu', init_scale=2.0**127, backoff_factor=2.0**-60)

    def backward(self, loss, **kwargs):
        self.scaler.scale(loss).backward()
        self._inner_count += 1

    def step(self, **kwargs):
        self.scaler.step(self.optimizer)
        self.scaler.update()


def train(work_dir, samples, skips=0, **wrapper):
    runner = Runner(
        Net(),
        str(work_dir),
        train_dataloader=dict(
            dataset=[dict(inputs=torch.tensor(pair)) for sample in samples for pair in (sample, [0.5, 0.1])],
            batch_size=2,
            sampler=dict(type='DefaultSampler', shuffle=False),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=0.1)) | wrapper,
        custom_hooks=[dict(type='FiniteHook', skips=skips)],
        default_scope='mmaction',
        log_level='ERROR',
        experiment_name=work_dir.name,
    )
    error = None
    try:
        runner.train()
    except FloatingPointError as raised:
        error = str(raised)
    return runner.model.state_dict(), runner.optim_wrapper.optimizer.state_dict()['state'], error


def equal(a, b):
    flat = [[*state[0].values(), *(part for entry in state[1].values() for part in entry.values())] for state in (a, b)]
    return len(flat[0]) == len(flat[1]) and all(torch.equal(x, y) for x, y in zip(*flat, strict=True))


@pytest.mark.parametrize('fault', FAULTS)
def test_training_stops_before_the_optimizer_step(fault, tmp_path):
    sample, message = FAULTS[fault]
    *stopped, error = train(tmp_path / 'bad', [GOOD[0], sample, GOOD[1]])
    assert re.search(message, error) and '\n' not in error and 'the weights are unchanged' in error
    *before, _ = train(tmp_path / 'good', GOOD[:1])
    parameters = dict(Net().named_parameters())
    assert all(torch.equal(stopped[0][name], before[0][name]) for name in parameters)


@pytest.mark.parametrize('fault', FAULTS)
def test_skipped_iteration_changes_no_state(fault, tmp_path):
    sample, _ = FAULTS[fault]
    *skipped, error = train(tmp_path / 'bad', [GOOD[0], sample, sample, *GOOD[1:]], skips=2)
    *good, _ = train(tmp_path / 'good', GOOD)
    assert error is None and equal(skipped, good)


def test_consecutive_skips_are_counted(tmp_path):
    sample, _ = FAULTS['value']
    *_, error = train(tmp_path / 'apart', [GOOD[0], sample, GOOD[1], sample, GOOD[2]], skips=1)
    assert error is None
    *_, error = train(tmp_path / 'row', [GOOD[0], sample, sample], skips=1)
    assert ', in 2 consecutive iterations' in error


@pytest.mark.parametrize('fault', ['value', None])
def test_overflow_of_a_scaled_loss_is_ignored(fault, tmp_path):
    samples = [*GOOD, *GOOD] if fault is None else [*GOOD, FAULTS[fault][0]]
    state, _, error = train(tmp_path, samples, type='ScaledWrapper')
    assert (error is None) == (fault is None)
    assert not torch.equal(state['head.weight'], Net().head.weight)  # steps once the scale has decreased


def test_accumulated_gradients_are_dropped_with_the_loss(tmp_path):
    state, _, error = train(tmp_path, [GOOD[0], FAULTS['value'][0], GOOD[1], GOOD[2]], skips=1, accumulative_counts=2)
    assert error is None and all(value.isfinite().all() for value in state.values())


@pytest.mark.parametrize('skips', [-1, 0.5, None])
def test_invalid_skips_raise_an_error(skips):
    with pytest.raises(ValueError, match='skips=.* must be an integer'):
        FiniteHook(skips)
