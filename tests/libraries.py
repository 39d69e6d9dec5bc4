"""Libraries that the tests extra does not install, see CONTRIBUTING.md."""

import importlib
from types import ModuleType

import pytest


def library(name: str) -> ModuleType:
    """Import a library; skip the test if it is missing, or built for another PyTorch (torchvision: RuntimeError)."""
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f'{name} cannot be imported: {error}')
