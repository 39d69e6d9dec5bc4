"""Hooks that attach and draw regions during a run."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from region_runs import SIDE, config, digits, recognizer

from dyreg_mmaction.cli.launch import build_runner
from dyreg_mmaction.datasets import MiniSomething
from dyreg_mmaction.engine import DrawRegionsHook
from dyreg_mmaction.visualization.predict import class_names


def train(work_dir, backends, epochs=2):
    loop = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=digits())
    runner = Runner.from_cfg(
        config(
            work_dir,
            recognizer(dict(type='DynamicRegions', hidden_channels=8), dict(type='FixedRegions')),
            digits(),
            train_dataloader=loop,
            val_dataloader=loop,
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            val_cfg=dict(),
            val_evaluator=dict(type='AccMetric'),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.01)),
            custom_hooks=[dict(type='DrawRegionsHook', num=3, width=64)],
            visualizer=dict(type='RegionVisualizer', name=str(work_dir), vis_backends=backends),
        )
    )
    runner.train()
    return runner


def test_same_clips_are_drawn_after_every_validation(tmp_path):
    train(tmp_path, [dict(type='LocalVisBackend')])
    pictures = [cv2.imread(str(path)) for path in sorted(tmp_path.rglob('regions_*.png'))]
    assert len(pictures) == 2 and len(list(tmp_path.rglob('regions_2.png'))) == 1
    height = 3 * (22 + 2 * (18 + SIDE))  # three clips, each with its caption and two plugins
    assert all(picture.shape == (height, 4 * 64, 3) for picture in pictures)
    bottom = slice(22 + 18 + SIDE + 18, height // 3)  # a fixed grid over the first clip: the same each time
    assert (pictures[0][bottom] == pictures[1][bottom]).all()


def test_unreadable_clip_is_skipped(tmp_path, capsys):
    for name in '123':
        (tmp_path / name).mkdir()
        for number in range(1, 9):
            cv2.imwrite(str(tmp_path / name / f'img_{number:05}.jpg'), np.full((SIDE, SIDE, 3), 90, np.uint8))
    (tmp_path / '2/img_00004.jpg').unlink()
    (tmp_path / 'list.txt').write_text(''.join(f'{name} 8 0\n' for name in '123'))
    pipeline = [
        dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=4, test_mode=True),
        dict(type='RawFrameDecode'),
        dict(type='FormatShape', input_format='NCHW'),
        dict(type='PackActionInputs'),
    ]
    dataset = dict(type='RawframeDataset', ann_file=str(tmp_path / 'list.txt'), pipeline=pipeline, test_mode=True)
    dataset['data_prefix'] = dict(img=str(tmp_path))
    model = recognizer(dict(type='FixedRegions'))
    model['backbone']['in_channels'] = 3
    model['data_preprocessor'].update(mean=[127.5] * 3, std=[127.5] * 3)
    cfg = config(tmp_path / 'run', model, dataset, val_cfg=dict(), val_evaluator=dict(type='AccMetric'))
    cfg.val_dataloader = cfg.test_dataloader
    cfg.custom_hooks = [dict(type='DrawRegionsHook', num=3, width=64)]
    build_runner(cfg).val()
    (picture,) = (cv2.imread(str(path)) for path in tmp_path.rglob('regions_*.png'))
    assert len(picture) == 2 * (22 + 18 + SIDE)
    assert '2 cannot be read: ' in capsys.readouterr().out


def test_regions_in_tensorboard(tmp_path):
    pytest.importorskip('tensorboard', reason='NOT TESTED WITH TENSORBOARD: pip install tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runner = train(tmp_path, [dict(type='TensorboardVisBackend')], epochs=1)
    runner.visualizer.close()
    events = EventAccumulator(str(next(tmp_path.rglob('events.out*')).parent)).Reload()
    assert [image.step for image in events.Images('regions')] == [1]


def test_drawing_hooks_find_class_names_and_datasets(tmp_path):
    cfg = Config.fromfile(Path(__file__).parents[3] / 'configs/tsm_r18_dyreg_mini.py')
    cfg.work_dir = str(tmp_path)
    runner = build_runner(cfg)
    assert class_names(runner.cfg) == list(MiniSomething.METAINFO['classes'])
    assert runner.cfg.val_dataloader.dataset.type == 'MiniSomething'


def test_num_below_one_raises_an_error():
    with pytest.raises(ValueError, match='num=0 must be at least 1'):
        DrawRegionsHook(num=0)
