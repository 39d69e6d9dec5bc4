"""mmcv, or mmcv-lite in its place."""

import importlib.util
import warnings


def require_mmcv() -> None:
    """Asks for mmcv or mmcv-lite, which exclude each other, so that neither can be a requirement of this package.

    Raises:
        ImportError: None of the two is installed.
    """
    if importlib.util.find_spec('mmcv') is None:
        raise ImportError(
            'mmcv is not installed: run `pip install mmcv-lite==2.1.0`, which is all that this package needs (or '
            'install a full mmcv 2.1; never both, they overwrite each other).'
        )


def hide_mmcv_lite_warning() -> None:
    """Hides that mmcv-lite has no deformable attention: a warning at every import, about a layer nothing here uses."""
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``', UserWarning)
