"""Patches that are applied when a module is imported."""

import importlib
import importlib.util

from dyreg_mmaction.compat.on_import import on_import


def test_patch_is_applied_when_the_module_is_imported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'late_module.py').write_text('value = 1')
    on_import('late_module')(lambda module: setattr(module, 'value', module.value + 1))()
    for _ in range(2):
        assert importlib.util.find_spec('late_module')  # finding a module does not import it
    late_module = importlib.import_module('late_module')
    assert late_module.value == 2 and importlib.reload(late_module).value == 2
