"""Checks of sizes in configs."""

from collections.abc import Sequence


def height_and_width(size: int | tuple[int, int], name: str) -> tuple[int, int]:
    """Return (H, W) from height and width, or from one number for a square.

    Args:
        size (int | tuple[int, int]): One or two positive integers.
        name (str): Name of the argument in error messages.

    Raises:
        ValueError: If it is anything else.
    """
    both = tuple(size) if isinstance(size, Sequence) else (size, size)
    if len(both) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in both):
        raise ValueError(f'{name} is {size!r}, but must be one positive integer, or two for height and width')
    return both


def fraction_of_side(half_size: float, name: str = 'half_size') -> float:
    """Check a half size that is a fraction of the map's side.

    Raises:
        ValueError: If it is outside 0..1.
    """
    if not isinstance(half_size, int | float) or not 0 < half_size <= 1:
        raise ValueError(f"{name} is {half_size!r}, but must be a fraction of the map's side, above 0 and at most 1")
    return half_size


def positive_integer(value: int, name: str) -> int:
    """Check a number that must be a positive integer.

    Raises:
        ValueError: If it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f'{name} is {value!r}, but must be an integer of at least 1')
    return value
