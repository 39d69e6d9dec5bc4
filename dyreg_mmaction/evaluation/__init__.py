"""Metrics of where nodes look."""

from .object_distance import ObjectDistance

__all__ = ['ObjectDistance']
