"""Consistency checks of model and pipelines in a config."""

from mmengine.config import Config

from .clip_length import check_num_segments
from .frame_size import check_input_size
from .recognizer import check_recognizer

__all__ = ['check_config', 'check_input_size', 'check_num_segments', 'check_recognizer']


def check_config(cfg: Config) -> None:
    """Check that a config inserts its plugins, and has the same clip length and frame size everywhere.

    Raises:
        ValueError: If it does not.
    """
    check_recognizer(cfg)
    check_num_segments(cfg)
    check_input_size(cfg)
