"""A class has the same name in all notations of a config."""

import pytest
from mmaction.datasets import VideoDataset
from mmengine.config import Config
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import EpochBasedTrainLoop

from dyreg_mmaction.cli.options import check_schedule, make_resumable, watch_numbers
from dyreg_mmaction.cli.type_names import name_types, type_name
from dyreg_mmaction.engine import FiniteHook

LOOPS = [
    EpochBasedTrainLoop,
    'EpochBasedTrainLoop',
    'mmengine.EpochBasedTrainLoop',
    'mmengine.runner.EpochBasedTrainLoop',
    'mmengine.runner.loops.EpochBasedTrainLoop',
]


class Unregistered(Hook):
    """A class that is not registered."""


@pytest.mark.parametrize('loop', LOOPS)
def test_epoch_loop_is_recognized_under_all_names(loop):
    cfg = Config(dict(train_cfg=dict(type=loop, max_epochs=3), train_dataloader={}))
    make_resumable(cfg)
    assert cfg.train_cfg == dict(type='ResumableTrainLoop', max_epochs=3)


@pytest.mark.parametrize('by_epoch', [True, False])
def test_loop_without_type_is_resumable_if_by_epoch(by_epoch):
    cfg = Config(dict(train_cfg=dict(by_epoch=by_epoch, max_epochs=3), train_dataloader={}))
    make_resumable(cfg)
    replaced = dict(type='ResumableTrainLoop', max_epochs=3)
    assert cfg.train_cfg == (replaced if by_epoch else dict(by_epoch=False, max_epochs=3))


@pytest.mark.parametrize(
    'hook', [dict(type=FiniteHook), dict(type='dyreg_mmaction.FiniteHook'), FiniteHook(), dict(type='FiniteHook')]
)
def test_hook_of_the_config_is_not_added_again(hook):
    cfg = Config(dict(custom_hooks=[EMAHook(), hook]))
    watch_numbers(cfg)
    assert len(cfg.custom_hooks) == 2


def test_plateau_schedule_given_as_a_class_is_recognized():
    from mmengine.optim import ReduceOnPlateauLR

    with pytest.raises(ValueError, match='ReduceOnPlateauLR monitors'):
        check_schedule(Config(dict(param_scheduler=dict(type=ReduceOnPlateauLR), val_cfg=None)))


@pytest.mark.parametrize('kind', ['no.such.Class', 'plain', None, 3, Unregistered, 'video.mp4'])
def test_unregistered_types_are_kept(kind):
    assert type_name(dict(type=kind)) is kind


def test_config_of_another_scope_is_unchanged():
    cfg = Config(dict(default_scope='mmdet', dataset=dict(type=VideoDataset)))
    name_types(cfg)
    assert cfg.dataset.type is VideoDataset and cfg.default_scope == 'mmdet'
    cfg = Config(dict(dataset=[(dict(type=VideoDataset),)]))
    name_types(cfg)
    assert cfg.dataset[0][0].type == 'VideoDataset' and cfg.default_scope == 'mmaction'
