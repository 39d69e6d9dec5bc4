"""Giving tensors new names, with an account of all that does not fit."""

from collections.abc import Mapping

import torch
from torch import Tensor


class Problems:
    """Collects what does not fit, to be reported all at once.

    Args:
        sources (Mapping[str, str]): Keys as they stand in the file, by the name under which they are looked for.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = sources
        self.lines: list[str] = []

    def report(self) -> None:
        """Raise if there are any."""
        if self.lines:
            raise ValueError(
                'the weights are no complete model of the released DyReg-GNN code or a TSM-ResNet:\n  '
                + '\n  '.join(self.lines)
            )

    def compare_names(self, found: Mapping[str, Tensor], expected: Mapping[str, str]) -> None:
        """Note the names that are missing or unknown."""
        self.lines += [f'missing: {name}' for name in expected if name not in found]
        self.lines += [f'unknown: {self.sources[name]}' for name in found if name not in expected]

    def compare_shape(self, name: str, value: Tensor, expected: torch.Size) -> None:
        """Note a tensor of another shape."""
        if value.shape != expected:
            self.lines.append(
                f'misshapen: {self.sources[name]} has {value.numel()} values, {tuple(value.shape)}, where '
                f'{tuple(expected)} are expected'
            )


def rename(
    tensors: Mapping[str, Tensor], names: Mapping[str, str], shapes: Mapping[str, torch.Size], problems: Problems
) -> dict[str, Tensor]:
    """Tensors under new names.

    Args:
        tensors (Mapping[str, Tensor]): By old name.
        names (Mapping[str, str]): Old name -> new name, of all that there has to be.
        shapes (Mapping[str, torch.Size]): Expected shapes by new name.
        problems (Problems): Takes down what does not fit.
    """
    problems.compare_names(tensors, names)
    renamed = {new: tensors[old] for old, new in names.items() if old in tensors}
    for old, new in names.items():
        if old in tensors and new in shapes:
            problems.compare_shape(old, tensors[old], shapes[new])
    return renamed
