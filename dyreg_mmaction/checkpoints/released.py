"""Convert checkpoints of the released DyReg-GNN code and of the TSM repository."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from .module import convert_module
from .renaming import Problems
from .resnet import convert_resnet

DROPPED = {
    r'(^|\.)dynamic_graph\.(ph|pw|arange_h|arange_w)(_buf)?$|const_d[hw]_ones|fix_offsets': (
        'geometry of one map size; recomputed for the current size'
    ),
    r'\.glore\.pos_emb_buf$': 'a fixed table of sinusoids; recomputed',
    r'\.glore\.norm_dict\.offset_location_emb\.': 'not used by the released code',
    r'^block\.': 'the convolution before the module, which belongs to the backbone',
}


class Conversion(NamedTuple):
    """A converted checkpoint.

    Attributes:
        state_dict (dict[str, Tensor]): Weights under the names of MMAction2 and this package.
        dropped (dict[str, str]): Source keys without counterpart, with the reason.
        config (dict): Config of the matching backbone or, for a single module, of the module.
    """

    state_dict: dict[str, Tensor]
    dropped: dict[str, str]
    config: dict


def convert_released_state_dict(state: Mapping) -> dict[str, Tensor]:
    """Return the state dict of :func:`convert_released`."""
    return convert_released(state).state_dict


def convert_released(state: Mapping) -> Conversion:
    """Convert a checkpoint of the released DyReg-GNN code, or of the TSM repository, to this package and MMAction2.

    Args:
        state (Mapping): Content of the file, or its ``state_dict``: of a TSM-ResNet with or without modules, saved by
            the training script (``conv2.1.dynamic_graph``) or downloaded (``conv2.dynamic_graph``), or of one
            DynamicGraphWrapper. Keys may have the prefix ``module.``.

    Returns:
        Conversion: State dict, dropped keys and config.

    Raises:
        ValueError: If keys are missing, unknown or misshapen. The message lists all of them.
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
        raise ValueError(
            f'not a state dict: {", ".join(map(str, others)) or "it"} contains no tensor; pass a checkpoint'
        )


def _canonical(key: str) -> str:
    """Map both key schemes to the same names."""
    key = key.removeprefix('module.').replace('base_model.fc.', 'new_fc.')
    key = re.sub(r'(^|\.)(0\.)?block\.(?=weight$|bias$)', r'\1block.', key)
    key = re.sub(r'\.block\.(?=weight$|bias$)', '.', key)
    return re.sub(r'(^|\.)1\.(?=(dynamic_graph|norm_dict)\.)', r'\1', key)


def _reference(rows: Tensor | None) -> str:
    """Infer the initial position of regions from the buffer of their rows."""
    return 'center' if rows is None or (rows == rows.flatten()[0]).all() else 'grid'
