"""Models with plugins in MMEngine's runner."""

from pathlib import Path

import pytest
import torch
from backbone_cases import PLUGIN
from mmaction.structures import ActionDataSample
from mmengine.hooks import EMAHook
from mmengine.runner import Runner, load_checkpoint
from torch.utils.data import Dataset

PLACE = 'layer3-1-conv2-conv'
BACKBONE = dict(
    type='DyRegResNetTSM',
    depth=18,
    num_segments=2,
    pretrained=None,
    pretrained2d=False,
    input_size=48,
    plugins=[dict(PLUGIN, after='layer3.1.conv2.conv')],
)


class Clips(Dataset):
    """Two clips of noise, one of each class, six times: between epochs MMEngine's loop sleeps."""

    def __len__(self):
        return 12

    def __getitem__(self, i):
        frames = torch.randn(2, 3, 48, 48, generator=torch.Generator().manual_seed(i % 2))
        return dict(inputs=frames, data_samples=ActionDataSample().set_gt_label(i % 2))


def runner(work_dir, **kwargs):
    return Runner(
        model=dict(
            type='Recognizer2D',
            backbone=BACKBONE,
            cls_head=dict(type='TSMHead', num_classes=2, in_channels=512, num_segments=2),
        ),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=Clips(),
            batch_size=2,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=6),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=6, by_epoch=False)),
        default_scope='mmaction',
        randomness=dict(seed=0),
        log_level='ERROR',
        experiment_name=Path(work_dir).name,
        **kwargs,
    )


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A runner after six iterations with a moving average."""
    done = runner(tmp_path_factory.mktemp('ema'), custom_hooks=[dict(type='EMAHook', momentum=0.5)])
    start = {key: value.clone() for key, value in done.model.state_dict().items()}
    done.train()
    return done, start


def ema_of(done):
    return next(hook for hook in done.hooks if isinstance(hook, EMAHook)).ema_model.module


def logits(model, frames):
    model.eval()
    with torch.no_grad():
        return model.extract_feat(frames, stage='head')[0]


def test_training_changes_all_weights_except_initially_unused_ones(trained):
    done, start = trained
    still = {key for key, value in done.model.named_parameters() if torch.equal(value, start[key])}
    # nodes of equal regions are equal for any attention
    waiting = ('.graph.space.query.', '.graph.space.key.', '.regions.')
    assert not [key for key in still if not any(part in key for part in waiting)]
    assert f'backbone.plugins.{PLACE}.regions.predictor.alpha' not in still


def test_moving_average_uses_its_own_plugin(trained):
    model, ema = trained[0].model, ema_of(trained[0])
    frames = Clips()[0]['inputs'][None]
    state = ema.state_dict()
    assert not torch.equal(state[f'backbone.plugins.{PLACE}.norm.weight'], model.backbone.plugins[PLACE].norm.weight)
    before = logits(model, frames), logits(ema, frames)
    with torch.no_grad():
        ema.backbone.plugins[PLACE].norm.weight.add_(1)
    assert torch.equal(logits(model, frames), before[0]) and not torch.equal(logits(ema, frames), before[1])
    ema.load_state_dict(state)


def test_checkpoint_contains_the_plugin(trained, tmp_path):
    done, _ = trained
    fresh = runner(tmp_path).model
    load_checkpoint(fresh, str(Path(done.work_dir) / 'iter_6.pth'), strict=True)
    key = f'backbone.plugins.{PLACE}.norm.weight'
    # the moving average is what the hook saves as the model
    saved = torch.load(Path(done.work_dir) / 'iter_6.pth', weights_only=True)
    assert torch.equal(saved['state_dict'][key], fresh.state_dict()[key])
    assert saved['state_dict'][key].count_nonzero() and saved['ema_state_dict'][f'module.{key}'].count_nonzero()
