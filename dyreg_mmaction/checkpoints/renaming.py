"""Rename tensors, and report all that do not match."""

from collections.abc import Mapping

import torch
from torch import Tensor


class Problems:
    """Collector of missing, unknown and misshapen tensors, which are reported together.

    Args:
        sources (Mapping[str, str]): Keys in the file by canonical name.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = sources
        self.lines: list[str] = []

    def report(self) -> None:
        """Raise an error if there are any problems.

        Raises:
            ValueError: If there are; the message lists all of them.
        """
        if self.lines:
            raise ValueError(
                'the weights are not a complete DyReg-GNN of the released code or TSM-ResNet:\n  '
                + '\n  '.join(self.lines)
            )

    def compare_names(self, found: Mapping[str, Tensor], expected: Mapping[str, str]) -> None:
        """Record missing and unknown names."""
        self.lines += [f'missing: {name}' for name in expected if name not in found]
        self.lines += [f'unknown: {self.sources[name]}' for name in found if name not in expected]

    def compare_shape(self, name: str, value: Tensor, expected: torch.Size) -> None:
        """Record a tensor with another shape."""
        if value.shape != expected:
            self.lines.append(
                f'misshapen: {self.sources[name]} has shape {tuple(value.shape)}, expected {tuple(expected)}'
            )


def rename(
    tensors: Mapping[str, Tensor], names: Mapping[str, str], shapes: Mapping[str, torch.Size], problems: Problems
) -> dict[str, Tensor]:
    """Rename tensors.

    Args:
        tensors (Mapping[str, Tensor]): Tensors by old name.
        names (Mapping[str, str]): New names of all expected tensors by old name.
        shapes (Mapping[str, torch.Size]): Expected shapes by new name.
        problems (Problems): Collects tensors that do not match.

    Returns:
        dict[str, Tensor]: Tensors by new name.
    """
    problems.compare_names(tensors, names)
    renamed = {new: tensors[old] for old, new in names.items() if old in tensors}
    for old, new in names.items():
        if old in tensors and new in shapes:
            problems.compare_shape(old, tensors[old], shapes[new])
    return renamed
