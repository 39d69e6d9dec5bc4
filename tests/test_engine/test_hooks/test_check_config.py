"""Every runner checks its config before it runs."""

import pytest
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader


class Model(BaseModel):
    def forward(self, inputs, data_samples=None, mode='tensor'):
        return {}


def runner(tmp_path, num_segments, num_clips):
    sampling = dict(type='SampleFrames', clip_len=1, num_clips=num_clips)
    plugins = [dict(type='DyRegGNN', after='layer3')]
    cfg = Config(
        dict(
            model=dict(backbone=dict(type='DyRegResNetTSM', depth=18, num_segments=num_segments, plugins=plugins)),
            train_dataloader=dict(dataset=dict(type='VideoDataset', pipeline=[sampling])),
        )
    )
    training = dict(
        train_dataloader=DataLoader([0]),
        train_cfg=dict(by_epoch=True, max_epochs=0),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
    )
    return Runner(Model(), str(tmp_path), **training, cfg=cfg, default_scope='mmaction', experiment_name=str(tmp_path))


def test_plain_runner_raises_an_error_for_inconsistent_clip_lengths(tmp_path):
    with pytest.raises(ValueError, match='num_clips=16 and model.backbone.num_segments=8 must be the same number'):
        runner(tmp_path, num_segments=8, num_clips=16).call_hook('before_run')
    runner(tmp_path / 'fits', num_segments=8, num_clips=8).call_hook('before_run')
