"""Variables of configs."""

from pathlib import Path

from .registry import fault


@fault('AssertionError: the variable has its old value')
def parse_variables(folder: Path) -> None:
    from mmengine.config import Config

    from dyreg_mmaction.compat.config_variables import set_variables

    base, config, pure = (folder / name for name in ('base.py', 'config.py', 'pure.py'))
    base.write_text('size = 224')
    config.write_text("_base_ = 'base.py'\nmodel = dict(size=_base_.size)")
    pure.write_text(
        'from mmengine.config import read_base\nwith read_base():\n    from .base import *\nmodel = dict(size=size)'
    )
    with set_variables(dict(size=64)):
        sizes = [Config.fromfile(file).model.size for file in (config, pure)]
    assert sizes == [64, 64], 'the variable has its old value'
    assert Config.fromfile(config).model.size == 224
