"""Options override variables of config files and all values computed from them."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from dyreg_mmaction.cli.configs import read_config

ROOT = Path(__file__).parents[2]


def steps(cfg, kind):
    """Return the transforms of a type in all pipelines, including nested ones."""
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    outer = [step for loader in loaders for step in loader.dataset.pipeline]
    return [step for one in outer for step in (one, *one.get('transforms', [])) if step.type == kind]


def test_boxes_root_sets_all_box_files():
    path = str(ROOT / 'configs/tsm_r50_dyreg-detector_sthv2.py')
    cfg = read_config(path, {'boxes_root': 'mine.json', 'flip_ratio': 0.5, 'train_dataloader.batch_size': 3})
    assert [step.ann_file for step in steps(cfg, 'LoadBoxes')] == ['mine.json'] * 3
    assert [step.flip_ratio for step in steps(cfg, 'Flip')] == [0.5]
    assert cfg.train_dataloader.batch_size == 3 and cfg.boxes_root == 'mine.json' and cfg.filename == path


def test_variable_of_a_base_changes_its_datasets():
    cfg = read_config(str(ROOT / 'configs/tsm_r50_dyreg_sthv2.py'), {'data_root': 'elsewhere'})
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    assert [loader.dataset.data_prefix.video for loader in loaders] == ['elsewhere'] * 3


def test_variable_of_a_base_of_mmaction2_changes_its_datasets(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        "_base_ = 'mmaction::recognition/tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_sthv2-rgb.py'\n"
        'work_dir = "{{ fileDirname }}/runs"\n'
    )
    cfg = read_config(str(path), {'data_root': 'elsewhere'})
    assert cfg.train_dataloader.dataset.data_prefix.video == 'elsewhere'
    assert cfg.work_dir == f'{tmp_path}/runs'


@pytest.mark.parametrize('options', [None, {}, {'new_name': 1}, {'data_root': 'data/sthv2/videos'}])
def test_other_options_do_not_change_variables(options):
    path = str(ROOT / 'configs/tsm_r50_dyreg-detector_sthv2.py')
    expected = Config.fromfile(path).to_dict()
    assert read_config(path, options).to_dict() == dict(expected, **(options or {}))


def test_options_of_pure_python_configs_are_merged(tmp_path):
    (tmp_path / 'mine.yaml').write_text('a: 1\nb: {c: 2}\n')
    assert read_config(str(tmp_path / 'mine.yaml'), {'a': 3, 'b.c': 4}).to_dict() == dict(a=3, b=dict(c=4))


@pytest.mark.parametrize(
    'text, expected',
    [
        ('size, other = 224, 1\nmade = [size, other]', [64, 1]),
        ('other, (size, more) = 1, (224, 2)\nmade = [size, other, more]', [64, 1, 2]),
        ('size = other = 224\nmade = [size, other]', [64, 224]),
        ('size = 224; made = [size]', [64]),
        ('size: int = 224\nmade = [size]', [64]),
        ('size = 200\nsize += 24\nmade = [size]', [64]),
        ('if True:\n    size = 224\nmade = [size]', [64]),
        ("import os\nsize = os.environ['NOT_SET']\nmade = [size]", [64]),
        ('def double(x):\n    size = 2 * x\n    return size\nsize = 224\nmade = [size, double(1)]', [64, 2]),
        ("size = 224\nmade = ['{{fileBasename}}', size]", ['mine.py', 64]),
        ("_base_ = ['base.py'] + ['other.py']\nmade = [_base_.size, _base_.other]", [64, 1]),
        ("_base_ = 'base.py'\nmade = [{{_base_.size}}]", [64]),
    ],
)
def test_variable_is_set_with_any_kind_of_assignment(text, expected, tmp_path):
    for name, content in (('mine.py', text), ('base.py', 'size = 224'), ('other.py', 'other = 1')):
        (tmp_path / name).write_text(content)
    cfg = read_config(tmp_path / 'mine.py', {'size': 64})
    assert cfg.made == expected and cfg.size == 64


@pytest.mark.parametrize(
    'text',
    [
        "_base_ = 'base.py'\nmade = _base_.val_dataloader.x",
        "_base_ = 'base.py'\nval_dataloader = dict(y=2)\nmade = 1",
        'val_dataloader = dict(x=1)\nval_dataloader.update(y=2)\nother = val_dataloader\nmade = other["x"]',
        "_base_ = 'base.py'\nhooks = [*_base_.hooks, 2]\nmade = 1",
    ],
)
def test_disabled_section_can_still_be_copied(text, tmp_path):
    """As in MMEngine: ``test_dataloader = val_dataloader`` needs the dict even without validation."""
    (tmp_path / 'base.py').write_text('val_dataloader = dict(x=1)\nother = val_dataloader\nhooks = [1]')
    (tmp_path / 'mine.py').write_text(text)
    cfg = read_config(tmp_path / 'mine.py', {'val_dataloader': None, 'hooks': None})
    assert cfg.val_dataloader is cfg.hooks is None
    assert cfg.made == cfg.other.x == 1


def test_none_is_set_like_other_values(tmp_path):
    (tmp_path / 'mine.py').write_text("weights = 'a.pth'\nmade = dict(pretrained=weights)")
    assert read_config(tmp_path / 'mine.py', {'weights': None}).made.pretrained is None


@pytest.mark.parametrize('value', [float('inf'), [1, (None, 'a')], [dict(a=(1,))], "it's", True])
def test_all_types_of_values_can_be_set(value, tmp_path):
    (tmp_path / 'mine.py').write_text('size = 1\nmade = dict(size=size)')
    assert read_config(tmp_path / 'mine.py', {'size': value}).made.size == value


def test_dicts_are_merged(tmp_path):
    (tmp_path / 'mine.py').write_text('model = dict(a=1, b=2)')
    assert read_config(tmp_path / 'mine.py', {'model': dict(b=3)}).model == dict(a=1, b=3)


BASE = """
from mmaction.datasets import VideoDataset
from mmengine.runner import EpochBasedTrainLoop

data_root = 'data'
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=2)
train_dataloader = dict(dataset=dict(type=VideoDataset, data_prefix=dict(video=data_root)))
"""
PURE = """
from mmengine.config import read_base
from torch.nn import GELU, init

with read_base():
    from .base import *

from dyreg_mmaction.engine import FiniteHook
from unknown_package import Head

custom_hooks = [dict(type=FiniteHook, skips=1)]
model = dict(act=dict(type=GELU), init=init.zeros_, head=dict(type=Head))
"""


def test_pure_python_config_is_read(tmp_path):
    (tmp_path / 'base.py').write_text(BASE)
    (tmp_path / 'mine.py').write_text(PURE)
    cfg = read_config(tmp_path / 'mine.py', {'data_root': 'elsewhere', 'train_cfg.max_epochs': 3})
    assert cfg.train_cfg == dict(type='EpochBasedTrainLoop', max_epochs=3)
    assert cfg.train_dataloader.dataset == dict(type='VideoDataset', data_prefix=dict(video='elsewhere'))
    assert cfg.custom_hooks == [dict(type='FiniteHook', skips=1)] and cfg.default_scope == 'mmaction'
    assert cfg.model.act.type == 'GELU' and cfg.model.init is torch.nn.init.zeros_
    text = Config.fromstring(cfg.pretty_text, '.py')  # the runner writes it into the work dir
    assert text.custom_hooks == cfg.custom_hooks and text.model.head.type == 'unknown_package.Head'
    assert 'read_base' not in text and 'VideoDataset' not in text
