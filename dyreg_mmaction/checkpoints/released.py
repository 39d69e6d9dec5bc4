"""Checkpoints of the released DyReg-GNN code, and of the TSM repository that it grew from."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from .module import convert_module
from .renaming import Problems
from .resnet import convert_resnet

DROPPED = {
    r'(^|\.)dynamic_graph\.(ph|pw|arange_h|arange_w)(_buf)?$|const_d[hw]_ones|fix_offsets': (
        'geometry of one map size; computed anew for the size at hand'
    ),
    r'\.glore\.pos_emb_buf$': 'a fixed table of sinusoids; computed anew',
    r'\.glore\.norm_dict\.offset_location_emb\.': 'never used by the released code',
    r'^block\.': 'the convolution in front of the module, which belongs to the backbone',
}


class Conversion(NamedTuple):
    """A converted checkpoint.

    Attributes:
        state_dict (dict[str, Tensor]): Under the names of MMAction2 and this package.
        dropped (dict[str, str]): Keys of the source that have no counterpart, and why.
        config (dict): Of the backbone, or of the module alone, that it fits.
    """

    state_dict: dict[str, Tensor]
    dropped: dict[str, str]
    config: dict


def convert_released_state_dict(state: Mapping) -> dict[str, Tensor]:
    """The state dict of :func:`convert_released`."""
    return convert_released(state).state_dict


def convert_released(state: Mapping) -> Conversion:
    """Convert a checkpoint of the released DyReg-GNN code, or of the TSM repository, to this package and MMAction2.

    Args:
        state (Mapping): What is in the file, or its ``state_dict`` alone: of a whole TSM-ResNet with modules in it or
            without, as the training script saves it (``conv2.1.dynamic_graph``) or as it is downloaded
            (``conv2.dynamic_graph``); or of one DynamicGraphWrapper. It may have the prefix ``module.``.

    Returns:
        Conversion

    Raises:
        ValueError: If keys are missing, unknown or misshapen; all of them are listed.
    """
    dropped = {}
    if isinstance(state.get('state_dict'), Mapping):
        dropped = {key: 'belongs to the training run, not to the model' for key in state if key != 'state_dict'}
        state = state['state_dict']
    _check_tensors(state)
    sources = {_canonical(key): key for key in state}
    reasons = {name: reason for pattern, reason in DROPPED.items() for name in sources if re.search(pattern, name)}
    dropped.update({sources[name]: reason for name, reason in reasons.items()})
    tensors = {name: state[key] for name, key in sources.items() if name not in reasons}
    problems = Problems(sources)
    whole = any(name.startswith(('base_model.', 'new_fc.')) for name in tensors)
    converted, config = (convert_resnet if whole else convert_module)(tensors, problems)
    problems.report()
    for module in config.get('plugins', [] if whole else [config]):
        path = f'base_model.{module["after"].removesuffix(".conv")}.' if whole else ''
        module['regions']['reference'] = _reference(state.get(sources.get(f'{path}dynamic_graph.ph_buf', '')))
    return Conversion(converted, dropped, config)


def _check_tensors(state: Mapping) -> None:
    others = [key for key, value in state.items() if not isinstance(value, Tensor)]
    if others or not state:
        raise ValueError(f'not a state dict: {", ".join(map(str, others)) or "it"} holds no tensor; give a checkpoint')


def _canonical(key: str) -> str:
    """One name for both key schemes."""
    key = key.removeprefix('module.').replace('base_model.fc.', 'new_fc.')
    key = re.sub(r'(^|\.)(0\.)?block\.(?=weight$|bias$)', r'\1block.', key)
    key = re.sub(r'\.block\.(?=weight$|bias$)', '.', key)
    return re.sub(r'(^|\.)1\.(?=(dynamic_graph|norm_dict)\.)', r'\1', key)


def _reference(rows: Tensor | None) -> str:
    """Where regions start, from the buffer of their rows."""
    return 'center' if rows is None or (rows == rows.flatten()[0]).all() else 'grid'
