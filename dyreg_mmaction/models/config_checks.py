"""Checks that model and pipelines of a config agree, before and while MMEngine's runner uses it."""

import functools

from mmengine.config import Config
from mmengine.logging import MessageHub

from dyreg_mmaction.compat.config_text import read_config_text

from .input_size import check_input_size
from .num_segments import check_num_segments


def check_config(cfg: Config) -> None:
    """Check what a plugged backbone, its head and the pipelines must agree about.

    Raises:
        ValueError: If they do not.
    """
    check_num_segments(cfg)
    check_input_size(cfg)


def check_running_config() -> None:
    """:func:`check_config` of the config that MMEngine's runner runs, so in MMAction2's own tools too."""
    text = MessageHub.get_current_instance().runtime_info.get('cfg')
    if text:
        _check_text(text)


@functools.lru_cache(maxsize=1)
def _check_text(text: str) -> None:
    try:
        cfg = read_config_text(text)  # a resumed run has the text of its checkpoint
    except ValueError:  # not every object in a config can be read back; the training can go on all the same
        return
    check_config(cfg)
