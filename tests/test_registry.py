"""Names of this package in MMAction2's registries, next to those of other packages."""

import subprocess
import sys

import pytest
from mmaction.registry import HOOKS, MODELS
from mmengine.registry import DefaultScope, Registry
from torch import nn

import dyreg_mmaction  # noqa: F401
from dyreg_mmaction.models import ConvLSTM
from dyreg_mmaction.registry import MODELS as OURS

GENERIC = ('ConvNet', 'NonLocal', 'RecurrentHead', 'ConvLSTM')
THEIRS = """
from mmaction.registry import HOOKS, MODELS
from torch import nn
@MODELS.register_module()
class ConvLSTM(nn.Module): pass
@MODELS.register_module(['FixedRegions', 'DynamicRegions', 'SpaceTimeGraph', 'MultiScaleGraph'])
class Others(nn.Module): pass
@HOOKS.register_module()
class FiniteHook: pass
"""
CHECK = """
import dyreg_mmaction
from dyreg_mmaction.engine import FiniteHook as OurHook
from dyreg_mmaction.models.regions import FixedRegions
for name, theirs, ours in (
    ('ConvLSTM', ConvLSTM, dyreg_mmaction.models.ConvLSTM), ('FixedRegions', Others, FixedRegions)
):
    assert MODELS.get(name) is theirs, name
    assert MODELS.get(f'dyreg_mmaction.{name}') is ours is not theirs, name
assert MODELS.get('DyRegConvLSTM') is dyreg_mmaction.models.ConvLSTM
assert HOOKS.get('FiniteHook') is FiniteHook and HOOKS.get('dyreg_mmaction.FiniteHook') is OurHook
from mmengine.config import Config
from mmengine.registry import DefaultScope
from dyreg_mmaction.cli.options import watch_numbers
with DefaultScope.overwrite_default_scope('mmaction'):
    for plugin in ('DyRegGNN', 'RSTG'):
        assert not any(isinstance(each, Others) for each in MODELS.build(
            dict(type=plugin, in_channels=8, feature_size=(7, 7))).modules()), plugin
    watch_numbers(config := Config(dict(custom_hooks=[dict(type='FiniteHook')])))
    assert [type(HOOKS.build(hook)) for hook in config.custom_hooks] == [FiniteHook, OurHook]
try:
    MODELS.register_module('ConvLSTM', module=nn.Linear)
except KeyError as error:
    assert 'already registered' in str(error)
else:
    raise AssertionError('a second one of theirs')
"""


@pytest.mark.parametrize('first', ['dyreg_mmaction', 'mmaction.registry'])
def test_class_of_a_user_may_have_one_of_our_names(first):
    code = f'import {first}{THEIRS}{CHECK}'
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert (
        "'FixedRegions' is __main__.Others; to use the class of this package, write 'dyreg_mmaction.FixedRegions'"
        in run.stderr
    )
    assert "'ConvLSTM' is" not in run.stderr  # the class of this package has another name


@pytest.mark.parametrize('name', GENERIC)
def test_generic_names_have_a_prefix_and_the_old_ones_are_aliases(name):
    ours = OURS.get(f'DyReg{name}')
    assert ours.__name__ == name and OURS.get(name) is ours and MODELS.get(f'DyReg{name}') is ours
    with DefaultScope.overwrite_default_scope('mmaction'):
        assert MODELS.get(name) is MODELS.get(f'dyreg_mmaction.{name}') is ours


def test_plugin_is_checked_and_built_as_the_same_class(monkeypatch):
    from dyreg_mmaction.models.building import build

    class Other(nn.Module):
        def __init__(self, width):
            super().__init__()

    monkeypatch.setitem(MODELS.module_dict, 'ConvLSTM', Other)
    with DefaultScope.overwrite_default_scope('mmaction'):
        assert isinstance(build(dict(type='ConvLSTM', width=3), 'plugin'), Other)
        ours = dict(type='dyreg_mmaction.ConvLSTM', in_channels=4, hidden_channels=4)
        assert isinstance(build(ours, 'plugin'), ConvLSTM)


def test_only_our_registries_give_way_to_other_classes():
    assert HOOKS._register_module.__func__ is not Registry._register_module
    with pytest.raises(KeyError, match='already registered'):
        OURS.register_module('DyRegGNN', module=nn.Linear)
