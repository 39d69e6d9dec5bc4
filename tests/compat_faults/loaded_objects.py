"""Types that are not registered."""

import sys
from pathlib import Path

import pytest

from .registry import fault


@fault('AssertionError: imported')
def import_no_bare_names(folder: Path) -> None:
    from mmengine.registry import MODELS

    (folder / 'my-script.py').write_text(f'open({str(folder / "trace")!r}, "w")')
    sys.path.insert(0, str(folder))
    try:
        with pytest.raises(KeyError, match='my-script is not in the mmengine::model registry'):
            MODELS.build(dict(type='my-script'))
    finally:
        assert not (folder / 'trace').exists(), 'imported'
    assert MODELS.get('torch.nn.modules.linear.Bilinear').__name__ == 'Bilinear'  # full names still work
