"""Configs of packages."""

from pathlib import Path

import pytest

from .registry import fault


@fault("No module named 'pkg_resources'")
def find_packages(folder: Path) -> None:
    from mmengine.config import Config
    from mmengine.utils import get_installed_path, is_installed

    config = folder / 'config.py'
    config.write_text("_base_ = 'mmaction::_base_/default_runtime.py'")
    assert Config.fromfile(config).default_scope == 'mmaction'
    assert is_installed('mmaction2') and is_installed('mmengine') and not is_installed('mmdet')
    with pytest.raises(ModuleNotFoundError, match='pip install mmdet'):
        get_installed_path('mmdet')


@fault('please specify the package name and relative config path')
def find_flat_configs(folder: Path) -> None:
    from mmengine.config import Config

    config = folder / 'config.py'
    config.write_text("_base_ = 'dyreg_mmaction::tsm_r50_dyreg_sthv2.py'")
    assert Config.fromfile(config).model.backbone.type == 'DyRegResNetTSM'


@fault('FileNotFoundError')
def open_configs_of_packages(folder: Path) -> None:
    from mmengine.config import Config
    from mmengine.infer import BaseInferencer

    tsm = 'mmaction::recognition/tsm/tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_sthv2-rgb.py'
    assert Config.fromfile(tsm).model.backbone.type == 'ResNetTSM'
    assert Config.fromfile('dyreg_mmaction::tsm_r50_dyreg_sthv2.py').model.backbone.type == 'DyRegResNetTSM'
    cfg, weights = BaseInferencer._load_model_from_metafile(None, tsm)
    assert cfg.model.backbone.type == 'ResNetTSM' and weights is None
    with pytest.raises(FileNotFoundError):
        Config.fromfile('mmaction::recognition/tsm/none.py')
