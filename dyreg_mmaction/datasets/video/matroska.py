"""Information in the elements of a WebM or Matroska file that FFmpeg does not expose."""

from mmap import mmap

SEGMENT, CLUSTER = 0x18538067, 0x1F43B675  # the elements that contain all others except the header
YAW, ROLL = 0x7673, 0x7675  # elements of mirrored or rotated tracks


def is_rotated(content: bytes | mmap) -> bool:
    """Return whether the file may rotate or mirror its frames: its header contains the bytes of such elements."""
    header = content[: content.find(CLUSTER.to_bytes(4, 'big'))]
    return any(element.to_bytes(2, 'big') in header for element in (YAW, ROLL))


def is_complete(content: bytes | mmap) -> bool:
    """Return whether the elements of the file fill it exactly, unlike those of a truncated or overwritten file.

    The packets alone are not sufficient: they may end before the declared duration if the last frame is held.
    """
    position, end = 0, 0
    try:
        while position < len(content):
            name, position = _read_number(content, position, keep_marker=True)
            size, position = _read_number(content, position)
            if name in (SEGMENT, CLUSTER):
                end = max(end, position + (size or 0))
            elif size is None:
                return False
            else:
                position += size
    except (IndexError, ValueError):
        return False
    return position == len(content) >= end


def _read_number(content: bytes | mmap, position: int, keep_marker: bool = False) -> tuple[int | None, int]:
    """Return a number of variable length, None for the reserved value "unknown", and the position after it."""
    length = 9 - content[position].bit_length()  # given by the first bit that is set
    after = position + length
    if length > 8 or after > len(content):
        raise ValueError('no number')
    number = int.from_bytes(content[position:after], 'big')
    if keep_marker:
        return number, after
    number &= (1 << 7 * length) - 1
    return (None if number == (1 << 7 * length) - 1 else number), after
