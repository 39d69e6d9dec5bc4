"""MiniSomething: a small generated replacement for Something-Something V2."""

from .mini_something import MiniSomething

__all__ = ['MiniSomething']
