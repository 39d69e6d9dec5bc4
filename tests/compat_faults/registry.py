"""Registry of the faults by name of the patch."""

from collections.abc import Callable
from pathlib import Path

FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {}
# optional modules, hidden so that each fault occurs in every environment
HIDDEN = {
    'importlib_metadata',
    'mmaction.models.localizers.drn',
    'mmcv.ops',
    'moviepy',
    'pkg_resources',
    'timm',
    'torchvision',
}


def fault(message: str) -> Callable:
    """Register the test of the patch of the same name, which fails with ``message`` without the patch."""

    def decorate(function: Callable[[Path], None]) -> Callable[[Path], None]:
        FAULTS[function.__name__] = function, message
        return function

    return decorate
