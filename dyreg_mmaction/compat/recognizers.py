"""Patches of backbones, recognizers and heads of MMAction2."""

import functools
from types import ModuleType
from typing import Any

import torch

from .on_import import on_import


def _from_scratch(backbone: type) -> None:
    """Make ``pretrained=None`` override ``pretrained2d=True``, the default, in ``backbone.init_weights``."""
    stock = backbone.init_weights  # type: ignore[attr-defined]

    @functools.wraps(stock)
    def init_weights(self: Any) -> None:
        if self.pretrained is None:
            self.pretrained2d = False
        stock(self)

    backbone.init_weights = init_weights  # type: ignore[attr-defined]


@on_import('mmaction.models.backbones')
def train_from_scratch(backbones: ModuleType) -> None:
    """``pretrained=None`` raises a TypeError in TSM and Swin backbones. It now means training from scratch."""
    for name in ('ResNetTSM', 'MobileNetV2TSM', 'SwinTransformer3D'):
        _from_scratch(getattr(backbones, name))


@on_import('mmaction.models.recognizers.recognizer2d')
def batch_test_views(recognizer2d: ModuleType) -> None:
    """``max_testing_views`` calls ``backbone.get``, which backbones lack. The method is added."""
    stock = recognizer2d.Recognizer2D.extract_feat

    def get(self: Any, name: str) -> Any:
        return getattr(self, name, None)

    @functools.wraps(stock)
    def extract_feat(self: Any, *args: Any, **kwargs: Any) -> Any:
        # only when needed: torch.compile recompiles when the class changes
        if (self.test_cfg or {}).get('max_testing_views') and not hasattr(self.backbone, 'get'):
            type(self.backbone).get = get
        return stock(self, *args, **kwargs)

    recognizer2d.Recognizer2D.extract_feat = extract_feat


@on_import('mmaction.models.recognizers.recognizer2d')
def refine_before_pooling(recognizer2d: ModuleType) -> None:
    """Recognizer2D runs necks after pooling or reshaping. Necks with ``attach`` now run on the map of the backbone.

    They are attached to the sub-module that outputs the map, and do not change its layout and number of frames.
    """
    cls = recognizer2d.Recognizer2D
    init, extract = cls.__init__, cls.extract_feat

    def attach(self: Any) -> None:
        if hasattr(getattr(self, 'neck', None), 'attach'):
            self.neck.attach(self)

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        attach(self)

    @functools.wraps(extract)
    def extract_feat(self: Any, *args: Any, **kwargs: Any) -> Any:
        attach(self)  # to the current sub-module, which may have been replaced
        return extract(self, *args, **kwargs)

    cls.__init__, cls.extract_feat = __init__, extract_feat
    cls.with_neck = property(lambda self: getattr(self, 'neck', None) is not None and not hasattr(self.neck, 'attach'))


@on_import('mmaction.models.heads.base')
def score_in_float32(base: ModuleType) -> None:
    """Heads pass scores to NumPy, which has no bfloat16. Scores in bfloat16 are now cast to float32."""
    stock = base.BaseHead.loss_by_feat

    @functools.wraps(stock)
    def loss_by_feat(self: Any, cls_scores: torch.Tensor, *args: Any, **kwargs: Any) -> dict:
        return stock(self, cls_scores.float() if cls_scores.dtype == torch.bfloat16 else cls_scores, *args, **kwargs)

    base.BaseHead.loss_by_feat = loss_by_feat
