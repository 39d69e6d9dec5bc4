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
