"""MMAction2 1.2.0."""

import functools
import importlib.metadata
import importlib.util
import os.path as osp
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

from .on_import import mends


class DRN:
    """Stands for the localizer that the mmaction2 1.2.0 wheel forgot to pack."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise ImportError('DRN is missing from the mmaction2 1.2.0 wheel: install MMAction2 from source to use it.')


class _DRNFinder(MetaPathFinder, Loader):
    package = 'mmaction.models.localizers.drn'

    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name in (self.package, f'{self.package}.drn') else None

    def exec_module(self, module):
        if module.__name__ != self.package:
            from mmaction.registry import MODELS

            module.DRN = DRN
            if 'DRN' not in MODELS.module_dict:  # nobody has registered another
                MODELS.register_module(module=DRN)


def supply_drn() -> None:
    """``mmaction/models/localizers/__init__.py:4`` imports what the wheel lacks, so that ``mmaction.models`` fails.

    The finder is the last to be asked: a real one on disk wins.
    """
    sys.meta_path.append(_DRNFinder())


def alias_importlib_metadata() -> None:
    """``mmaction/utils/dependency.py:6`` imports a backport of ``importlib.metadata`` that nobody requires."""
    try:
        import importlib_metadata  # noqa: F401
    except ImportError:
        sys.modules['importlib_metadata'] = importlib.metadata


@mends('mmaction.utils.dependency')
def leave_out_vindlu(dependency: ModuleType) -> None:
    """``mmaction/models/multimodal/__init__.py:4``: any transformers makes all of MMAction2 need those of VindLU.

    These are timm and a transformers of the 4 series. Without them VindLU stays the placeholder that it is where there
    is no transformers at all.
    """
    if importlib.util.find_spec('timm') is None or dependency.satisfy_requirement('transformers>=5'):
        dependency.WITH_MULTIMODAL = False  # type: ignore[attr-defined]


def _from_scratch(backbone: type) -> None:
    """Lets ``pretrained=None`` win over ``pretrained2d=True``, its default, in ``backbone.init_weights``."""
    stock = backbone.init_weights  # type: ignore[attr-defined]

    @functools.wraps(stock)
    def init_weights(self: Any) -> None:
        if self.pretrained is None:
            self.pretrained2d = False
        stock(self)

    backbone.init_weights = init_weights  # type: ignore[attr-defined]


@mends('mmaction.models.backbones')
def train_from_scratch(backbones: ModuleType) -> None:
    """``mmaction/models/backbones/resnet_tsm.py:314``: ``pretrained=None`` is a TypeError; now it is from scratch."""
    for name in ('ResNetTSM', 'MobileNetV2TSM', 'SwinTransformer3D'):
        _from_scratch(getattr(backbones, name))


@mends('mmaction.datasets.transforms.processing')
def jitter_hue(processing: ModuleType) -> None:
    """``mmaction/datasets/transforms/processing.py:979``: a hue in uint8 takes no negative offset and ends at 255."""
    import cv2

    def adjust_hue(img: np.ndarray, factor: float) -> np.ndarray:
        hsv = cv2.cvtColor(np.clip(img, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(factor * 255)) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32)

    processing.ColorJitter.adjust_hue = staticmethod(adjust_hue)


@mends('mmaction.datasets.transforms.processing')
def refuse_small_frames(processing: ModuleType) -> None:
    """``mmaction/datasets/transforms/processing.py:1066, 1245``: of a smaller frame a few pixels or none are left."""

    def guard(crop: type) -> None:
        stock = crop.transform  # type: ignore[attr-defined]

        @functools.wraps(stock)
        def transform(self: Any, results: dict) -> dict:
            (height, width), size = results['img_shape'], self.crop_size
            if width < size[0] or height < size[1]:
                raise ValueError(
                    f'frames of {width} x {height} are smaller than crop_size={tuple(size)} of {type(self).__name__}; '
                    'resize them before, or use LimitSides'
                )
            return stock(self, results)

        crop.transform = transform  # type: ignore[attr-defined]

    guard(processing.CenterCrop)
    guard(processing.TenCrop)


@mends('mmaction.visualization.action_visualizer')
def draw_labels(action_visualizer: ModuleType) -> None:
    """``mmaction/visualization/action_visualizer.py:217`` looks for fields no sample has, and never draws a label."""
    from mmengine.structures import LabelData

    stock = action_visualizer.ActionVisualizer.add_datasample

    @functools.wraps(stock)
    def add_datasample(self: Any, name: str, video: Any, data_sample: Any = None, *args: Any, **kwargs: Any) -> Any:
        drawn = action_visualizer.ActionDataSample()
        if data_sample is not None and 'gt_label' in data_sample:
            drawn.gt_label = drawn.gt_labels = data_sample.gt_label
        if data_sample is not None and 'pred_label' in data_sample:
            drawn.pred_labels = LabelData(item=data_sample.pred_label)
            if isinstance(data_sample.get('pred_score'), torch.Tensor):
                drawn.pred_labels.score = data_sample.pred_score
        return stock(self, name, video, drawn, *args, **kwargs)

    action_visualizer.ActionVisualizer.add_datasample = add_datasample


def _frames_of_inputs(inputs: torch.Tensor) -> np.ndarray:
    """Lays a packed sample, (V, C, T, H, W), (C, T, H, W) or (T, C, H, W), out as RGB frames (V * T, H, W, C)."""
    if inputs.ndim == 5:
        inputs = inputs.permute(0, 2, 3, 4, 1).flatten(0, 1)
    else:
        inputs = inputs.permute(0, 2, 3, 1) if inputs.shape[1] in (1, 3) else inputs.permute(1, 2, 3, 0)
    return inputs.to(torch.uint8).numpy()


@mends('mmaction.engine.hooks.visualization_hook')
def draw_samples(visualization_hook: ModuleType) -> None:
    """``mmaction/engine/hooks/visualization_hook.py:97``: the visualizer gets a wrong argument, frames a wrong layout.

    A last batch that is smaller than the others also got the numbers, hence the files, of earlier samples.
    """

    def draw(self: Any, batch_idx: int, data_batch: dict, data_samples: Any, step: int = 0) -> None:
        if not self.enable:
            return
        first = 0 if batch_idx == 0 else self.num_seen
        self.num_seen = first + len(data_samples)
        draw_args = {key: value for key, value in self.draw_args.items() if key != 'show'}
        for index in range(-first % self.interval, len(data_samples), self.interval):
            sample = data_samples[index]
            source = sample.get('filename') or sample.get('frame_dir')
            name = osp.basename(source) if source else str(first + index)
            if self.out_dir is not None:
                draw_args['out_path'] = self.file_client.join_path(self.out_dir, f'{name}_{step}')
            video = _frames_of_inputs(data_batch['inputs'][index])
            self._visualizer.add_datasample(name, video, sample, step=step, show_frames=self.show, **draw_args)

    visualization_hook.VisualizationHook._draw_samples = draw


@mends('mmaction.models.recognizers.recognizer2d')
def batch_test_views(recognizer2d: ModuleType) -> None:
    """``mmaction/models/recognizers/recognizer2d.py:103``: ``max_testing_views`` takes the backbone for a dict."""
    stock = recognizer2d.Recognizer2D.extract_feat

    def get(self: Any, name: str) -> Any:
        return getattr(self, name, None)

    @functools.wraps(stock)
    def extract_feat(self: Any, *args: Any, **kwargs: Any) -> Any:
        # not in other forwards: what a compiled one has changed makes it compile again
        if (self.test_cfg or {}).get('max_testing_views') and not hasattr(self.backbone, 'get'):
            type(self.backbone).get = get
        return stock(self, *args, **kwargs)

    recognizer2d.Recognizer2D.extract_feat = extract_feat


@mends('mmaction.models.heads.base')
def score_in_float32(base: ModuleType) -> None:
    """``mmaction/models/heads/base.py:129`` hands scores to NumPy, which knows no bfloat16."""
    stock = base.BaseHead.loss_by_feat

    @functools.wraps(stock)
    def loss_by_feat(self: Any, cls_scores: torch.Tensor, *args: Any, **kwargs: Any) -> dict:
        return stock(self, cls_scores.float() if cls_scores.dtype == torch.bfloat16 else cls_scores, *args, **kwargs)

    base.BaseHead.loss_by_feat = loss_by_feat


@mends('mmaction.engine.optimizers.tsm_optim_wrapper_constructor')
def group_all_parameters(constructors: ModuleType) -> None:
    """``mmaction/engine/optimizers/tsm_optim_wrapper_constructor.py:68`` refuses layers that it does not know.

    It skips parameters of modules with children without a word, and takes the last layer of the model for the
    classifier. Now it sees what it knows, with the classifier last; the rest are "other layers", as its docstring says.
    """
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.conv import _ConvNd

    stock = constructors.TSMOptimWrapperConstructor.add_params
    known = (_ConvNd, nn.Linear, _BatchNorm, nn.GroupNorm)

    @functools.wraps(stock)
    def add_params(self: Any, params: list[dict], model: nn.Module, **kwargs: Any) -> None:
        classifier = getattr(getattr(model, 'cls_head', None), 'fc_cls', None)
        layers = [layer for layer in model.modules() if isinstance(layer, known) and layer is not classifier]
        layers += [classifier] if isinstance(classifier, known) else []
        stock(self, params, SimpleNamespace(modules=lambda: layers), **kwargs)
        weights, biases, norms = params[-5:-2]
        grouped = {parameter for group in params for parameter in group['params']}
        for owner in model.modules():
            for name, parameter in owner.named_parameters(recurse=False):
                if parameter.requires_grad and parameter not in grouped and not isinstance(owner, known):
                    kind = (
                        norms
                        if type(owner).__name__.endswith('Norm')
                        else biases
                        if name.startswith('bias')
                        else weights
                    )
                    kind['params'].append(parameter)
                    grouped.add(parameter)

    constructors.TSMOptimWrapperConstructor.add_params = add_params
