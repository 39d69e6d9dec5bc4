"""Sizes as users write them."""


def height_and_width(size: int | tuple[int, int], name: str) -> tuple[int, int]:
    """(H, W) from both, or from one number for a square.

    Args:
        size (int | tuple[int, int]): One or two positive numbers.
        name (str): What the user calls it.

    Raises:
        ValueError: If it is something else.
    """
    both = (size, size) if isinstance(size, int) else tuple(size)
    if len(both) != 2 or not all(isinstance(n, int) and n > 0 for n in both):
        raise ValueError(f'{name}={size} must be one positive number, or two for height and width')
    return both


def part_of_side(half_size: float, name: str = 'half_size') -> float:
    """A half size as a fraction of the side of the map.

    Raises:
        ValueError: If it lies outside 0..1.
    """
    if not isinstance(half_size, int | float) or not 0 < half_size <= 1:
        raise ValueError(f'{name}={half_size!r} must be a part of the side of the map, above 0 and at most 1')
    return half_size
