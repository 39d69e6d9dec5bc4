"""What the elements of a WebM or Matroska file say that FFmpeg does not pass on."""

from mmap import mmap

SEGMENT, CLUSTER = 0x18538067, 0x1F43B675  # the elements that hold all others but the header
YAW, ROLL = 0x7673, 0x7675  # a track is mirrored, rotated


def is_rotated(content: bytes | mmap) -> bool:
    """Whether the file may rotate or mirror its frames: whether its header has the bytes of an element that does."""
    header = content[: content.find(CLUSTER.to_bytes(4, 'big'))]
    return any(element.to_bytes(2, 'big') in header for element in (YAW, ROLL))


def is_complete(content: bytes | mmap) -> bool:
    """Whether the elements of the file fill it exactly; a file that is cut off or overwritten does not pass.

    Where the last frame is held, its packets end before the declared duration, as those of a truncated file do.
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
    """A number of variable length, None for the reserved "unknown", and the position after it."""
    length = 9 - content[position].bit_length()  # the first bit that is set marks it
    after = position + length
    if length > 8 or after > len(content):
        raise ValueError('no number')
    number = int.from_bytes(content[position:after], 'big')
    if keep_marker:
        return number, after
    number &= (1 << 7 * length) - 1
    return (None if number == (1 << 7 * length) - 1 else number), after
