"""Values of the wrong type in the configs of plugins and their parts."""

import inspect

import pytest

from dyreg_mmaction.models import graphs, losses, regions
from dyreg_mmaction.models.building import build
from dyreg_mmaction.models.dyreg_gnn import DyRegGNN
from dyreg_mmaction.models.rstg import RSTG
from dyreg_mmaction.registry import MODELS

PARTS = [DyRegGNN, RSTG] + [
    value
    for module in (regions, graphs, losses)
    for value in vars(module).values()
    if value in MODELS.module_dict.values()
]
WRONG = {bool: ('False', 0, None), int: ('3', 2.5, True), float: ('0.5', True, [1.0])}


@pytest.mark.parametrize(
    ('cls', 'name', 'value'),
    [
        pytest.param(cls, name, value, id=f'{cls.__name__}-{name}-{value!r}')
        for cls in PARTS
        for name, parameter in inspect.signature(cls).parameters.items()
        for value in WRONG.get(parameter.annotation, ())
    ],
)
def test_values_of_another_type_are_named(cls, name, value):
    expected = {bool: 'True or False', int: 'an integer', float: 'a number'}[
        inspect.signature(cls).parameters[name].annotation
    ]
    with pytest.raises(ValueError) as error:
        build({'type': cls, name: value}, 'part')
    assert str(error.value) == f'part {cls.__name__} has {name}={value!r}, but it must be {expected}'


def test_most_options_have_a_checked_type():
    flags = {
        (cls.__name__, name)
        for cls in PARTS
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.annotation is bool
    }
    assert flags >= {
        ('DyRegGNN', 'position_gradient'),
        ('DynamicRegions', 'standardize'),
        ('DynamicRegions', 'predict_size'),
        ('MotionLikelihood', 'steady'),
    }


class Custom:
    """A user's class whose annotations are not always strict."""

    def __init__(self, size: int = None, ratio: float | None = 1.0, name: 'str' = '', pair: [int] = (), *, any=0):  # noqa: RUF013
        self.given = size, ratio, name, pair, any


@pytest.mark.parametrize(
    'cfg',
    [dict(size=None), dict(ratio=None), dict(ratio=2), dict(name=3), dict(pair='x'), dict(any='y'), dict(size=4)],
)
def test_values_that_an_annotation_or_default_allows_are_passed_on(cfg):
    (value,) = cfg.values()
    assert value in build(dict(type=Custom, **cfg), 'part').given


def test_several_types_are_listed():
    with pytest.raises(ValueError, match="part Custom has ratio='1', but it must be a number or None"):
        build(dict(type=Custom, ratio='1'), 'part')
