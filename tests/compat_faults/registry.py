"""All faults by the name of the patch."""

from collections.abc import Callable
from pathlib import Path

FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {}
# what some environments have and others lack: without these, each fault exists everywhere
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
    """Register a function as the test of the patch of the same name; without the patch it fails with ``message``."""

    def decorate(function: Callable[[Path], None]) -> Callable[[Path], None]:
        FAULTS[function.__name__] = function, message
        return function

    return decorate
