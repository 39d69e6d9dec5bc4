"""Options that name a variable of a config file reach all that was made of it."""

from pathlib import Path

import pytest
from mmengine.config import Config

from dyreg_mmaction.engine.config_variables import read_config

ROOT = Path(__file__).parents[2]


def steps(cfg, kind):
    """The transforms of a kind in all pipelines, those inside others too."""
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    outer = [step for loader in loaders for step in loader.dataset.pipeline]
    return [step for one in outer for step in (one, *one.get('transforms', [])) if step.type == kind]


def test_the_folder_of_boxes_is_one_option():
    path = str(ROOT / 'configs/tsm_r50_dyreg-detector_sthv2.py')
    cfg = read_config(path, {'boxes_root': 'mine.json', 'flip_ratio': 0.5, 'train_dataloader.batch_size': 3})
    assert [step.ann_file for step in steps(cfg, 'LoadBoxes')] == ['mine.json'] * 3
    assert [step.flip_ratio for step in steps(cfg, 'Flip')] == [0.5]
    assert cfg.train_dataloader.batch_size == 3 and cfg.boxes_root == 'mine.json' and cfg.filename == path


def test_a_variable_of_a_base_reaches_its_data_sets():
    cfg = read_config(str(ROOT / 'configs/tsm_r50_dyreg_sthv2.py'), {'data_root': 'elsewhere'})
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    assert [loader.dataset.data_prefix.video for loader in loaders] == ['elsewhere'] * 3


def test_a_variable_of_a_base_of_mmaction2_does_too(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        "_base_ = 'mmaction::recognition/tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_sthv2-rgb.py'\n"
        'work_dir = "{{ fileDirname }}/runs"\n'
    )
    cfg = read_config(str(path), {'data_root': 'elsewhere'})
    assert cfg.train_dataloader.dataset.data_prefix.video == 'elsewhere'
    assert cfg.work_dir == f'{tmp_path}/runs'


@pytest.mark.parametrize('options', [None, {}, {'new_name': 1}, {'data_root': 'data/sthv2/videos'}])
def test_other_options_change_nothing(options):
    path = str(ROOT / 'configs/tsm_r50_dyreg-detector_sthv2.py')
    expected = Config.fromfile(path).to_dict()
    assert read_config(path, options).to_dict() == dict(expected, **(options or {}))


def test_options_of_another_kind_of_config_are_merged(tmp_path):
    (tmp_path / 'mine.yaml').write_text('a: 1\nb: {c: 2}\n')
    assert read_config(str(tmp_path / 'mine.yaml'), {'a': 3, 'b.c': 4}).to_dict() == dict(a=3, b=dict(c=4))
