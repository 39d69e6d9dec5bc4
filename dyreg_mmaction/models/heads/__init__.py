"""Heads that classify one vector per clip, for Recognizer2D and Recognizer3D."""

from .clip_head import ClipHead
from .recurrent import RecurrentHead
from .rstg_to_vec import RSTGToVec

__all__ = ['ClipHead', 'RSTGToVec', 'RecurrentHead']
