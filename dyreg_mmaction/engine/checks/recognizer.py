"""Check that the recognizer accepts plugins in backbones of other libraries."""

from mmengine.config import Config

from dyreg_mmaction.models.library_backbones import PlugsBackbone, is_from_library
from dyreg_mmaction.registry import MODELS

from .arguments import kind_of


def check_recognizer(cfg: Config) -> None:
    """Check that a model with plugins in a backbone of torchvision, timm or mmpretrain is a RegionRecognizer2D.

    Raises:
        ValueError: If it is not.
    """
    model = cfg.get('model') or {}
    backbone = model.get('backbone') or {}
    if not is_from_library(backbone) or 'plugins' not in backbone:
        return
    kind = kind_of(model, MODELS)
    if kind is not None and not issubclass(kind, PlugsBackbone):
        raise ValueError(
            f'model.backbone {backbone["type"]} has plugins, which {kind.__name__} does not insert; set '
            "model.type='RegionRecognizer2D'"
        )
