"""Recognizers that pass boxes to the nodes and add losses that train regions."""

from mmaction.models.recognizers import Recognizer2D, Recognizer3D

from dyreg_mmaction.registry import MODELS

from .library_backbones import PlugsBackbone
from .takes_frames import TakesFrames
from .with_boxes import WithBoxes
from .with_node_classifier import WithNodeClassifier
from .with_region_losses import WithRegionLosses


@MODELS.register_module()
class RegionRecognizer2D(WithNodeClassifier, WithRegionLosses, WithBoxes, TakesFrames, PlugsBackbone, Recognizer2D):
    """:class:`mmaction.models.Recognizer2D` for backbones with regions.

    See :class:`.WithNodeClassifier`, :class:`.WithRegionLosses`, :class:`.WithBoxes`, :class:`.TakesFrames` for
    ``num_segments='batch'``, and :class:`.PlugsBackbone` for plugins in backbones of torchvision, timm and mmpretrain.
    """


@MODELS.register_module()
class RegionRecognizer3D(WithNodeClassifier, WithRegionLosses, WithBoxes, Recognizer3D):
    """:class:`mmaction.models.Recognizer3D` for backbones with regions.

    See :class:`.WithNodeClassifier`, :class:`.WithRegionLosses` and :class:`.WithBoxes`.
    """
