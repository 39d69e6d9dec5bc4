"""Training with a node classifier: regions follow the digits, and a resumed training gives the same weights."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from region_runs import config, digits, recognizer

CONFIGS = Path(__file__).parents[2] / 'configs/multisyncmnist'
GRID = dict(type='DynamicRegions', hidden_channels=8, reference='grid')


@pytest.mark.slow
def test_regions_follow_digits_by_class_labels_alone(tmp_path):
    """Without the classifier, the distance to nodes of the same clip is that to nodes of another one."""
    ratio = {}
    for name, changes in dict(classifier={}, plain={'model.node_classifier': None}).items():
        cfg = Config.fromfile(CONFIGS / 'small_classifier/cnn_dyreg-position-only.py')
        cfg.merge_from_dict(
            {
                'train_dataloader.dataset.length': 4800,
                'val_dataloader.dataset.length': 200,
                'work_dir': str(tmp_path / name),
                'randomness': dict(seed=0),
                **changes,
            }
        )
        done = Runner.from_cfg(cfg)
        done.train()
        value = {key: done.message_hub.get_scalar(f'val/object/{key}').current() for key in ('dist_r', 'dist_other')}
        ratio[name] = value['dist_r'] / value['dist_other']
    assert ratio['classifier'] < 0.6 and ratio['plain'] > 0.9, ratio


def test_resumed_training_gives_the_same_weights(tmp_path):
    model = recognizer(GRID, node_classifier={})
    model['cls_head']['dropout_ratio'] = 0

    def train(work_dir, **kwargs):
        done = Runner.from_cfg(
            config(
                work_dir,
                model,
                digits(2),
                train_dataloader=dict(
                    dataset=digits(8), batch_size=2, num_workers=0, sampler=dict(type='InfiniteSampler', shuffle=False)
                ),
                train_cfg=dict(by_epoch=False, max_iters=4),
                optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.05, momentum=0.9)),
                default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=2, by_epoch=False)),
                randomness=dict(seed=0),
                **kwargs,
            )
        )
        done.train()
        return done.model.state_dict()

    whole = train(tmp_path / 'whole')
    resumed = train(tmp_path / 'resumed', resume=True, load_from=str(tmp_path / 'whole/iter_2.pth'))
    assert any(key.startswith('node_classifier.') for key in whole)
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
