"""Modules that ``import mmaction`` needs."""

import importlib.util
import sys
import warnings
from pathlib import Path

import pytest

from .registry import fault


@fault('Fail to import ``MultiScaleDeformableAttention``')
def hide_mmcv_lite_warning(folder: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        import mmcv.cnn.bricks.transformer  # noqa: F401
    assert not caught, caught[0].message


@fault("No module named 'mmaction.models.localizers.drn'")
def supply_drn(folder: Path) -> None:
    import mmaction.models  # noqa: F401
    from mmaction.registry import MODELS

    with pytest.raises(ImportError, match='DRN is missing from the mmaction2 1.2.0 wheel'):
        MODELS.build(dict(type='DRN'))
    MODELS.register_module('DRN', force=True, module=dict)  # registered by a user
    del sys.modules['mmaction.models.localizers.drn.drn']
    importlib.import_module('mmaction.models.localizers.drn.drn')
    assert MODELS.get('DRN') is dict


@fault("No module named 'importlib_metadata'")
def alias_importlib_metadata(folder: Path) -> None:
    from mmaction.utils.dependency import satisfy_requirement

    assert satisfy_requirement('torch>=1.0')


@fault('mmaction/models/multimodal/vindlu/')
def leave_out_vindlu(folder: Path) -> None:
    (folder / 'transformers').mkdir()
    (folder / 'transformers' / '__init__.py').touch()
    (folder / 'transformers-5.1.0.dist-info').mkdir()
    (folder / 'transformers-5.1.0.dist-info' / 'METADATA').write_text('Name: transformers\nVersion: 5.1.0\n')
    sys.path.insert(0, str(folder))
    import mmaction.models  # noqa: F401
    from mmaction.registry import MODELS

    with pytest.raises(ImportError, match='VindLURetrieval requires extra multi-modal dependencies'):
        MODELS.build(dict(type='VindLURetrieval'))
