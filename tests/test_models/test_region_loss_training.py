"""Region losses in MMEngine's runner: their phase, resume, accumulation, mixed precision."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import Runner
from region_runs import config, digits, recognizer

from dyreg_mmaction.compat import enable_policies
from dyreg_mmaction.datasets.synthetic.sync_mnist import MultiSyncMNIST
from dyreg_mmaction.registry import MODELS

GRID = dict(type='DynamicRegions', hidden_channels=8, reference='grid')
MOTION = dict(type='MotionLikelihood', weight=0.4, until=0.5, ending='linear')
ITERATIONS = 8


def model(**loss):
    cfg = recognizer(GRID, region_losses=[{**MOTION, **loss}])
    cfg['cls_head']['dropout_ratio'] = 0
    return cfg


def runner(work_dir, iterations=ITERATIONS, **kwargs):
    loader = dict(dataset=digits(2 * ITERATIONS), batch_size=2, num_workers=0)
    settings = dict(
        train_dataloader=dict(sampler=dict(type='InfiniteSampler', shuffle=False), **loader),
        train_cfg=dict(by_epoch=False, max_iters=iterations),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=3, by_epoch=False),
            logger=dict(type='LoggerHook', interval=1),
        ),
        randomness=dict(seed=0),
        custom_hooks=[dict(type='EMAHook')],
        model=model(),
    )
    settings |= kwargs
    made = Runner.from_cfg(config(work_dir, settings.pop('model'), digits(2), **settings))
    made.register_hook(Outputs())
    return made


class Outputs(Hook):
    """Stores all values that the model logs."""

    def before_train(self, runner):
        self.given = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.given.append({key: value.item() for key, value in outputs.items()})


def scalars(done, key):
    (outputs,) = (hook for hook in done.hooks if isinstance(hook, Outputs))
    return [given[key] for given in outputs.given if key in given]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    done = runner(tmp_path_factory.mktemp('run'))
    done.train()
    return done


def test_loss_ends_during_training(trained):
    assert scalars(trained, 'motion_likelihood/weight') == pytest.approx([0.4, 0.4, 0.4, 0.2])
    assert len(scalars(trained, 'loss_cls')) == ITERATIONS
    whole, parts = scalars(trained, 'loss'), (scalars(trained, f'loss_{n}') for n in ('cls', 'motion_likelihood'))
    assert whole[:4] == pytest.approx([sum(pair) for pair in zip(*parts, strict=False)], abs=1e-5)
    assert whole[4:] == scalars(trained, 'loss_cls')[4:]


def test_ended_loss_is_not_logged(trained):
    (file,) = Path(trained.work_dir).glob('*/vis_data/scalars.json')
    logged = [any('motion_likelihood' in key for key in json.loads(line)) for line in file.read_text().splitlines()]
    assert logged == [True] * 4 + [False] * 4


def test_checkpoint_is_that_of_the_plain_model(trained):
    saved = torch.load(Path(trained.work_dir) / f'iter_{ITERATIONS // 3 * 3}.pth', weights_only=True)['state_dict']
    plain = MODELS.build(
        {k: v for k, v in model().items() if k != 'region_losses'} | dict(type='mmaction.Recognizer2D')
    )
    assert saved.keys() == plain.state_dict().keys()


def test_resumed_training_continues_the_schedule(trained, tmp_path):
    again = runner(tmp_path, resume=True, load_from=str(Path(trained.work_dir) / 'iter_3.pth'))
    again.train()
    assert scalars(again, 'motion_likelihood/weight') == pytest.approx([0.2])
    assert scalars(again, 'loss_motion_likelihood') == scalars(trained, 'loss_motion_likelihood')[3:]
    assert scalars(again, 'loss') == scalars(trained, 'loss')[3:]
    for key, value in trained.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[key], value), key


def frozen(kind):
    """Return a model with losses of single clips (norms in eval mode) and regions that do not start at zero."""
    cfg = model(type=kind, until=0.5, ending='step')
    cfg['backbone']['norm_eval'] = True
    return cfg


def train(work_dir, kind='MotionLikelihood', batch_size=2, lr=0.05, **optim_wrapper):
    """Return the weights after the training and its runner."""
    done = runner(
        work_dir,
        16 // batch_size,
        model=frozen(kind),
        train_dataloader=dict(
            dataset=digits(16),
            batch_size=batch_size,
            num_workers=0,
            sampler=dict(type='InfiniteSampler', shuffle=False),
        ),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=lr, momentum=0.9), **optim_wrapper),
        custom_hooks=[],
    )
    torch.nn.init.ones_(done.model.backbone.plugins['layer1-0'].regions.predictor.alpha)
    done.train()
    return done.model.state_dict(), done


KINDS = dict(MotionLikelihood='motion_likelihood', BoxLikelihood='box_likelihood', CenterRepulsion='center_repulsion')


@pytest.mark.parametrize('kind', KINDS)
def test_accumulated_gradients_equal_those_of_the_full_batch(tmp_path, kind):
    """Through the end of the phase, which comes after the same clips."""
    whole, one = train(tmp_path / 'whole', kind, batch_size=4)
    parts, two = train(tmp_path / 'parts', kind, batch_size=2, accumulative_counts=2)
    for key, steps in (f'loss_{KINDS[kind]}', 2), ('loss_cls', 4):
        losses, halves = scalars(one, key), scalars(two, key)
        assert len(losses) == steps and len(halves) == 2 * steps
        assert [sum(pair) / 2 for pair in zip(halves[::2], halves[1::2], strict=True)] == pytest.approx(
            losses, rel=1e-3
        )
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value, rtol=0, atol=3e-4, msg=key)


def test_mixed_precision_training_is_close_to_float32(tmp_path):
    enable_policies()  # one of them enables mixed precision training on CPUs
    _, full = train(tmp_path / 'full', lr=2e-4)
    _, mixed = train(tmp_path / 'mixed', lr=2e-4, type='AmpOptimWrapper', dtype='bfloat16')
    for key in ('motion_likelihood/weight', 'loss_motion_likelihood', 'loss_cls'):
        expected = scalars(full, key)
        assert len(expected) == (8 if key == 'loss_cls' else 4)
        # rounding grows from step to step, by more or by less from one CPU to another
        assert scalars(mixed, key) == pytest.approx(expected, rel=0.15)
        assert sum(scalars(mixed, key)) == pytest.approx(sum(expected), rel=0.05)
    assert scalars(mixed, 'loss_cls') != scalars(full, 'loss_cls')  # it was mixed


@pytest.fixture
def built(monkeypatch):
    """Return a recognizer in the middle of the phase, in eval mode so that clips are independent, and a batch."""
    hub = MessageHub('test_region_loss_training')
    hub.update_info_dict(dict(iter=0, max_iters=100))
    monkeypatch.setattr(MessageHub, 'get_current_instance', lambda: hub)
    torch.manual_seed(0)
    cfg = model()
    given = MODELS.build(cfg).eval()
    torch.nn.init.ones_(given.backbone.plugins['layer1-0'].regions.predictor.alpha)
    options = digits(4)
    options.pop('type')
    data = MultiSyncMNIST(**options)
    samples = [data[i] for i in range(4)]
    batch = given.data_preprocessor({key: [s[key] for s in samples] for key in samples[0]})
    return given, batch['inputs'], batch['data_samples']


def test_loss_of_a_batch_is_the_mean_of_its_clips(built):
    """Therefore accumulated gradients and those of several processes equal those of the whole batch."""
    given, frames, samples = built
    whole, *parts = (
        given(frames[a:b], samples[a:b], mode='loss')['loss_motion_likelihood'] for a, b in ((0, 4), (0, 2), (2, 4))
    )
    torch.testing.assert_close(whole, sum(parts) / 2)


def test_loss_is_computed_in_float32_in_mixed_precision(built):
    given, frames, samples = built
    plain = given(frames, samples, mode='loss')['loss_motion_likelihood']
    with torch.autocast('cpu', torch.bfloat16):
        mixed = given(frames, samples, mode='loss')['loss_motion_likelihood']
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, plain, rtol=0.02, atol=0.005)
    mixed.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in given.parameters())
