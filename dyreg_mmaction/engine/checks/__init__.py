"""Consistency checks of model and pipelines in a config."""

from mmengine.config import Config

from .clip_length import check_num_segments
from .frame_size import check_input_size

__all__ = ['check_config', 'check_input_size', 'check_num_segments']


def check_config(cfg: Config) -> None:
    """Check that backbone with plugins, head and pipelines have the same clip length and frame size.

    Raises:
        ValueError: If they do not.
    """
    check_num_segments(cfg)
    check_input_size(cfg)
