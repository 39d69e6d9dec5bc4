"""Classes whose videos change class when they are mirrored."""

import re
from collections.abc import Sequence

SIDES = {'left', 'right', 'leftward', 'rightward', 'leftwards', 'rightwards', 'clockwise'} | {
    f'{counter}clockwise' for counter in ('counter', 'anti')
}


def sided_classes(classes: Sequence[str]) -> list[str]:
    """Return the class names that a horizontal flip makes wrong, such as 'turn left' and 'TurnRight'."""
    return [name for name in classes if SIDES.intersection(_words(name))]


def _words(name: str) -> list[str]:
    spaced = re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name)
    return re.findall(r'[^\W\d_]+', re.sub(r'(?i)(counter|anti)[-_ ]clockwise', r'\1clockwise', spaced).lower())
