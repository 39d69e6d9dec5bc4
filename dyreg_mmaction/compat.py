"""What MMAction2 1.2.0 and mmengine 0.10.7 need to run on today's Python stack; no other module patches anything.

One function is one remedy. :func:`apply` runs them all, once, before anything of MMAction2 is imported; a remedy does
nothing where its fault is absent. No installed file is touched. Those that mend an MMAction2 module wait until somebody
imports it, so that nothing is imported for their sake.
"""

import functools
import importlib.metadata
import importlib.util
import json
import os.path as osp
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import torch

PACKAGE = 'dyreg_mmaction'


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


def find_packages() -> None:
    """``mmengine/utils/package_utils.py:17``: bases such as ``mmaction::x/y.py`` need what setuptools 82 dropped.

    That pkg_resources also looks for an editable install in the wrong place, so this package is always found anew.
    """
    from mmengine.config import utils
    from mmengine.utils import package_utils

    utils.MODULE2PACKAGE[PACKAGE] = PACKAGE
    stock_is_installed, stock_get_installed_path = package_utils.is_installed, package_utils.get_installed_path
    has_pkg_resources = importlib.util.find_spec('pkg_resources') is not None

    def path_of(package: str) -> str | None:
        modules = {package: module for module, package in utils.MODULE2PACKAGE.items()}
        spec = importlib.util.find_spec(modules.get(package, package))
        return osp.dirname(spec.origin) if spec and spec.origin else None

    @functools.wraps(stock_is_installed)
    def is_installed(package: str) -> bool:
        if has_pkg_resources and package != PACKAGE:
            return stock_is_installed(package)
        return path_of(package) is not None

    @functools.wraps(stock_get_installed_path)
    def get_installed_path(package: str) -> str:
        if has_pkg_resources and package != PACKAGE:
            return stock_get_installed_path(package)
        path = path_of(package)
        if path is None:
            raise ModuleNotFoundError(f'{package} is not installed: run `pip install {package}`.')
        return path

    _replace_in_mmengine(stock_is_installed, is_installed)
    _replace_in_mmengine(stock_get_installed_path, get_installed_path)


def find_flat_configs() -> None:
    """``mmengine/config/utils.py:124`` wants a sub-folder in ``package::folder/config.py``; our configs have none."""
    from mmengine.config import utils

    stock = utils._get_package_and_cfg_path

    @functools.wraps(stock)
    def get_package_and_cfg_path(cfg_path: str) -> tuple[str, str]:
        package, _, path = cfg_path.partition('::')
        return (package, path) if package == PACKAGE else stock(cfg_path)

    _replace_in_mmengine(stock, get_package_and_cfg_path)


def _replace_in_mmengine(stock: Callable, ours: Callable) -> None:
    """Puts ``ours`` wherever a module of mmengine has imported ``stock``."""
    for name, module in list(sys.modules.items()):
        if name.startswith('mmengine') and vars(module).get(stock.__name__) is stock:
            setattr(module, stock.__name__, ours)


def load_torchvision_weights() -> None:
    """``mmengine/runner/checkpoint.py:143``: ``torchvision://resnet50`` needs torchvision for a list of addresses.

    mmengine has that list too. The stock loader stays in charge wherever torchvision can be imported (one built for
    another torch cannot).
    """
    import mmengine
    from mmengine.runner import checkpoint

    stock = checkpoint.load_from_torchvision

    @functools.wraps(stock)
    def load_from_torchvision(filename: str, map_location: Any = None) -> dict:
        try:
            import torchvision  # noqa: F401
        except (ImportError, RuntimeError):  # RuntimeError: operator torchvision::nms does not exist
            pass
        else:
            return stock(filename, map_location)
        with open(osp.join(osp.dirname(mmengine.__file__), 'hub', 'torchvision_0.12.json')) as file:
            addresses = json.load(file)
        name = filename.partition('://')[2]
        if name not in addresses:
            raise ValueError(f'{filename!r} is none of the weights known without torchvision: {", ".join(addresses)}.')
        return checkpoint.load_from_http(addresses[name], map_location)

    prefixes = ['modelzoo://', 'torchvision://']
    checkpoint.CheckpointLoader.register_scheme(prefixes, load_from_torchvision, force=True)


def trust_logs_in_checkpoints() -> None:
    """``mmengine/runner/checkpoint.py:347``: torch >= 2.6 refuses mmengine's checkpoints for the log in them.

    ``weights_only`` stays on: only HistoryBuffer and numpy's arrays become loadable, and ``getattr``, by which the
    methods of HistoryBuffer are pickled, reaches nothing but them.
    """
    from mmengine.logging import HistoryBuffer
    from numpy._core.multiarray import _reconstruct, scalar

    def getattr_of_history_buffer(obj: Any, name: str) -> Callable:
        if obj is HistoryBuffer and name in ('min', 'max', 'current', 'mean'):
            return getattr(obj, name)
        raise RuntimeError(f'The checkpoint asks for the attribute {name!r} of {obj!r}, which is not safe to load.')

    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            np.ndarray,
            np.dtype,
            *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
            # written by numpy 1 (core) and numpy 2 (_core)
            *(
                (function, f'numpy.{core}.multiarray.{function.__name__}')
                for function in (_reconstruct, scalar)
                for core in ('core', '_core')
            ),
            (getattr_of_history_buffer, 'builtins.getattr'),
        ]
    )


def init_dist_on_cpu() -> None:
    """``mmengine/dist/utils.py:130``: all launchers select a GPU first and NCCL next; on a CPU it is gloo now."""
    from mmengine.device import get_device
    from mmengine.dist import utils

    stock = utils.init_dist

    @functools.wraps(stock)
    def init_dist(launcher: str, backend: str = 'nccl', init_backend: str = 'torch', **kwargs: Any) -> None:
        if get_device() != 'cpu':
            return stock(launcher, backend, init_backend, **kwargs)
        set_device = torch.cuda.set_device
        torch.cuda.set_device = lambda device: None
        try:
            stock(launcher, 'gloo' if backend == 'nccl' else backend, init_backend, **kwargs)
        finally:
            torch.cuda.set_device = set_device

    _replace_in_mmengine(stock, init_dist)


def wrap_models_on_cpu() -> None:
    """``mmengine/model/wrappers/distributed.py:93``: DDP refuses the runner's ``device_ids`` for a model on the CPU."""
    from mmengine.model import MMDistributedDataParallel

    stock = MMDistributedDataParallel.__init__

    @functools.wraps(stock)
    def init(self: Any, module: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        if all(parameter.device.type == 'cpu' for parameter in module.parameters()):
            kwargs['device_ids'] = None
        stock(self, module, *args, **kwargs)

    MMDistributedDataParallel.__init__ = init


class _Mender(MetaPathFinder):
    """Hands a module to its remedies as soon as it has been imported."""

    def __init__(self) -> None:
        self.remedies: dict[str, list[Callable[[ModuleType], None]]] = defaultdict(list)

    def find_spec(self, name, path=None, target=None):
        remedies = self.remedies.pop(name, [])
        spec = importlib.util.find_spec(name) if remedies else None
        if spec is None or spec.loader is None:
            return None
        stock = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            stock(module)
            for remedy in remedies:
                remedy(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_mender = _Mender()


def _mends(name: str) -> Callable[[Callable[[ModuleType], None]], Callable[[], None]]:
    """Makes a function of the module ``name`` a remedy that waits for its import."""

    def decorate(mend: Callable[[ModuleType], None]) -> Callable[[], None]:
        @functools.wraps(mend)
        def remedy() -> None:
            if name in sys.modules:
                return mend(sys.modules[name])
            _mender.remedies[name].append(mend)
            if _mender not in sys.meta_path:
                sys.meta_path.insert(0, _mender)

        return remedy

    return decorate


def _from_scratch(backbone: type) -> None:
    """Lets ``pretrained=None`` win over ``pretrained2d=True``, its default, in ``backbone.init_weights``."""
    stock = backbone.init_weights  # type: ignore[attr-defined]

    @functools.wraps(stock)
    def init_weights(self: Any) -> None:
        if self.pretrained is None:
            self.pretrained2d = False
        stock(self)

    backbone.init_weights = init_weights  # type: ignore[attr-defined]


@_mends('mmaction.utils.dependency')
def leave_out_vindlu(dependency: ModuleType) -> None:
    """``mmaction/models/multimodal/__init__.py:4``: any transformers makes all of MMAction2 need those of VindLU.

    These are timm and a transformers of the 4 series. Without them VindLU stays the placeholder that it is where there
    is no transformers at all.
    """
    if importlib.util.find_spec('timm') is None or dependency.satisfy_requirement('transformers>=5'):
        dependency.WITH_MULTIMODAL = False  # type: ignore[attr-defined]


@_mends('mmaction.models.backbones')
def train_from_scratch(backbones: ModuleType) -> None:
    """``mmaction/models/backbones/resnet_tsm.py:314``: ``pretrained=None`` is a TypeError; now it is from scratch."""
    for name in ('ResNetTSM', 'MobileNetV2TSM', 'SwinTransformer3D'):
        _from_scratch(getattr(backbones, name))


@_mends('mmaction.datasets.transforms.processing')
def jitter_hue(processing: ModuleType) -> None:
    """``mmaction/datasets/transforms/processing.py:979``: in numpy 2 a hue in uint8 takes no negative offset."""
    import cv2

    def adjust_hue(img: np.ndarray, factor: float) -> np.ndarray:
        hsv = cv2.cvtColor(np.clip(img, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(factor * 255)) % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32)

    if int(np.__version__.partition('.')[0]) >= 2:
        processing.ColorJitter.adjust_hue = staticmethod(adjust_hue)


@_mends('mmaction.visualization.action_visualizer')
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
        inputs = inputs.permute(0, 2, 3, 1) if inputs.shape[1] == 3 else inputs.permute(1, 2, 3, 0)
    return inputs.to(torch.uint8).numpy()


@_mends('mmaction.engine.hooks.visualization_hook')
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


@_mends('mmaction.models.recognizers.recognizer2d')
def batch_test_views(recognizer2d: ModuleType) -> None:
    """``mmaction/models/recognizers/recognizer2d.py:103``: ``max_testing_views`` takes the backbone for a dict."""
    stock = recognizer2d.Recognizer2D.extract_feat

    def get(self: Any, name: str) -> Any:
        return getattr(self, name, None)

    @functools.wraps(stock)
    def extract_feat(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(self.backbone, 'get'):
            type(self.backbone).get = get
        return stock(self, *args, **kwargs)

    recognizer2d.Recognizer2D.extract_feat = extract_feat


@_mends('mmaction.models.recognizers.base')
def check_num_segments(base: ModuleType) -> None:
    """A head and a backbone that disagree on ``num_segments`` gave a late AxisError or a silently wrong score."""
    stock = base.BaseRecognizer.__init__

    @functools.wraps(stock)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        stock(self, *args, **kwargs)
        backbone, head = (getattr(getattr(self, name, None), 'num_segments', None) for name in ('backbone', 'cls_head'))
        if None not in (backbone, head) and backbone != head:
            raise ValueError(
                f'model.backbone.num_segments={backbone} and model.cls_head.num_segments={head} must be the same '
                'number, that of the frames sampled from a video.'
            )

    base.BaseRecognizer.__init__ = init


@_mends('mmaction.engine.optimizers.tsm_optim_wrapper_constructor')
def group_all_parameters(constructors: ModuleType) -> None:
    """TSM's optimiser constructor refuses recurrent nets and skips parameters that modules hold themselves."""

    def add_params(self: Any, params: list[dict], module: torch.nn.Module, **kwargs: Any) -> None:
        from dyreg_mmaction.engine import DyRegOptimWrapperConstructor

        DyRegOptimWrapperConstructor.add_params(self, params, module, **kwargs)

    constructors.TSMOptimWrapperConstructor.add_params = add_params


REMEDIES = (
    require_mmcv,
    hide_mmcv_lite_warning,
    supply_drn,
    alias_importlib_metadata,
    find_packages,
    find_flat_configs,
    leave_out_vindlu,
    train_from_scratch,
    load_torchvision_weights,
    trust_logs_in_checkpoints,
    init_dist_on_cpu,
    wrap_models_on_cpu,
    jitter_hue,
    draw_labels,
    draw_samples,
    batch_test_views,
    check_num_segments,
    group_all_parameters,
)


@functools.cache
def apply() -> None:
    """Applies every remedy; a second call does nothing."""
    for remedy in REMEDIES:
        remedy()
