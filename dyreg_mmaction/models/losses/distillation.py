"""Distillation of regions from teacher models."""

from collections.abc import Mapping
from pathlib import Path

import torch
from mmaction.models.recognizers import Recognizer2D
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import MODELS

from ..finding import region_plugins, region_sources
from ..necks.region_neck import RegionNeck
from ..plugged import Plugged
from ..plugin_hook import PluginHook
from ..recording import record_regions
from .base import RegionLoss

PREPROCESSOR = dict(type='ActionDataPreprocessor')  # default of a model's config


@MODELS.register_module()
class RegionDistillation(RegionLoss):
    r"""Distance between the regions and those of teachers, one model per plugin, for the same frames.

    .. math::
        L = |c - c'|^2 + |\log s - \log s'|^2

    averaged over clips, frames and nodes, summed over plugins, with centers c and half sizes s in 0..1 of the frame.
    Teachers are checked before the training and loaded with the first batch. They run without gradients, in eval mode,
    and only up to the regions of their plugin. They are not saved in checkpoints, and are released when the phase ends.

    Source: DyReg-GNN (NeurIPS 2021), the section on several modules: three teachers for the first 10 % of the training.

    Args:
        teachers (dict[str, dict]): Teachers by the path of the student's plugin: the files ``config`` and
            ``checkpoint`` and, if it differs, the path ``plugin`` of the teacher's plugin.

    Raises:
        ValueError: If a plugin of the student has no teacher; before the training, if a teacher lacks the plugin,
            differs in the number of nodes or frames or in normalization, or has a checkpoint of another model; when
            called, if its regions have another shape.
        FileNotFoundError: Before the training, if a file of a teacher does not exist.
    """

    releases = True

    def __init__(self, teachers: Mapping[str, Mapping]) -> None:
        for path, teacher in teachers.items():
            if not {'config', 'checkpoint'} <= teacher.keys() <= {'config', 'checkpoint', 'plugin'}:
                raise ValueError(
                    f'the teacher of {path!r} is {dict(teacher)}, but must be dict(config=FILE, checkpoint=FILE)'
                )
        self.teachers = teachers
        self.normalization: dict = {}
        self.models: dict[str, nn.Module] = {}

    def check(self, sources: Mapping[str, nn.Module], preprocessor: nn.Module) -> None:
        """Check that every supervised plugin has a teacher, and every teacher a plugin."""
        if self.teachers.keys() != sources.keys():
            raise ValueError(
                f'teachers of RegionDistillation are for {list(self.teachers)}, but the plugins with learned regions '
                f'are {list(sources)}; add a teacher for each, or select plugins by plugins=[...]'
            )
        self.normalization = _normalization(preprocessor)

    def prepare(self, model: nn.Module) -> None:
        """Check that the teachers' files exist and fit the student ``model``."""
        students = region_plugins(model)
        for path, teacher in self.teachers.items():
            for kind in ('config', 'checkpoint'):
                if not Path(teacher[kind]).is_file():
                    raise FileNotFoundError(
                        f'{kind}={teacher[kind]!r} of the teacher of {path!r} does not exist; train the teachers '
                        'first, as tools/train_multi.sh does'
                    )
            self._check_teacher(path, teacher, model, students[path])

    def _check_teacher(self, path: str, teacher: Mapping, model: nn.Module, plugin: nn.Module) -> None:
        name = f'{teacher["config"]}, the teacher of {path!r},'
        cfg = Config.fromfile(teacher['config']).model
        own = _normalization(MODELS.build({**PREPROCESSOR, **(cfg.get('data_preprocessor') or {})}))
        if own != self.normalization:
            raise ValueError(
                f'{name} normalizes frames by {own}, but the student by {self.normalization}; use the same '
                'data_preprocessor'
            )
        built = _build(teacher)  # not stored: copies of the student, such as an average, would keep it
        plugins, after = region_plugins(built), teacher.get('plugin', path)
        if after not in plugins:
            raise ValueError(f'{name} has no plugin after {after!r}; set plugin to one of {list(plugins)}')
        given, wanted = (getattr(each, 'num_nodes', None) for each in (plugins[after], plugin))
        if None not in (given, wanted) and given != wanted:
            raise ValueError(f'{name} has {given} nodes, but the student {wanted}; use the same num_nodes')
        _check_time(name, (_holder(built, plugins[after]), plugins[after]), (_holder(model, plugin), plugin))
        _load_weights(built, teacher)

    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss of a batch, see :class:`RegionLoss`."""
        losses, distances = [], []
        for path, each in regions.items():
            center, half_size, _ = each.normalized()
            target = self._run_teacher(path, frames).normalized()
            if target.center.shape != center.shape:
                raise ValueError(
                    f'regions of the teacher of {path!r} have shape {tuple(target.center.shape)}, but those of the '
                    f'student {tuple(center.shape)}; use the same frames and num_nodes'
                )
            shift, ratio = center.float() - target.center, half_size.float().log() - target.half_size.log()
            losses.append((shift.square().sum(-1) + ratio.square().sum(-1)).mean())
            distances.append((shift.detach() / target.half_size).norm(dim=-1).mean())
        return torch.stack(losses).sum(), dict(disagreement=torch.stack(distances).mean())

    def finish(self) -> None:
        """Release the teachers."""
        self.models.clear()

    @torch.no_grad()
    def _run_teacher(self, path: str, frames: Tensor) -> Regions:
        """Return the regions of a plugin's teacher."""
        if path not in self.models:
            teacher = _build(self.teachers[path], frames.shape[1])
            self.models[path] = _load_weights(teacher, self.teachers[path]).to(frames.device)
        model = self.models[path]
        after = self.teachers[path].get('plugin', path)
        with record_regions(model) as record, torch.autocast(frames.device.type, enabled=False):
            stop = region_sources(model)[after].register_forward_hook(_stop)
            try:
                _run(model, frames)
            except _RegionsReady:
                pass
            finally:
                stop.remove()
        return record[after][-1]


class _RegionsReady(Exception):
    """Stops a teacher's forward after its regions."""


def _stop(*_: object) -> None:
    raise _RegionsReady


def _normalization(preprocessor: nn.Module) -> dict:
    """Return the normalization of frames by a data preprocessor."""
    mean, std = (getattr(preprocessor, name, None) for name in ('mean', 'std'))
    return dict(
        mean=None if mean is None else mean.flatten().tolist(),
        std=None if std is None else std.flatten().tolist(),
        to_rgb=getattr(preprocessor, 'to_rgb', False),
    )


def _holder(model: nn.Module, plugin: nn.Module) -> Plugged | RegionNeck:
    """Return the backbone or neck that runs a plugin."""
    for module in model.modules():
        if isinstance(module, Plugged) and plugin in module.plugins.values():
            return module
        if isinstance(module, RegionNeck) and module.plugin is plugin:
            return module
    raise ValueError(f'{type(plugin).__name__} is in no backbone or neck of {type(model).__name__}')


def _check_time(
    name: str, teacher: tuple[Plugged | RegionNeck, nn.Module], student: tuple[Plugged | RegionNeck, nn.Module]
) -> None:
    """Check that the maps of both have the same number of frames, as far as both are known."""
    given, wanted = (
        None if getattr(each, 'takes_clips', False) else each.num_segments for each, _ in (teacher, student)
    )
    if given and wanted and given != wanted:
        raise ValueError(
            f'{name} has clips of {given} frames, but the student of {wanted}; use the same num_segments, because '
            'both get the same frames'
        )
    own, other = (_temporal_stride(*each) for each in (teacher, student))
    if own and other and own != other:
        raise ValueError(
            f'{name} has a temporal stride of {own:g} frames, but the student of {other:g}; use backbones with the '
            'same stride'
        )


def _temporal_stride(holder: Plugged | RegionNeck, plugin: nn.Module) -> float | None:
    """Return the number of frames per map of a plugin in a backbone that takes clips."""
    if isinstance(holder, RegionNeck) or not holder.takes_clips:
        return None
    return next(
        hook.stride
        for hook in holder._plugin_hooks
        if isinstance(hook, PluginHook) and holder.plugins[hook.key] is plugin
    )


def _build(teacher: Mapping, num_frames: int | None = None) -> nn.Module:
    """Build the backbone of a teacher, or if it has a neck, its recognizer without head.

    Args:
        teacher (Mapping): The teacher.
        num_frames (int, optional): Clip length of a backbone with ``num_segments='batch'``.
    """
    model = Config.fromfile(teacher['config']).model
    backbone = {**model.backbone, 'pretrained': None}
    if num_frames is not None and backbone.get('num_segments') == 'batch':
        backbone['num_segments'] = num_frames
    if not model.get('neck'):
        return MODELS.build(backbone)
    preprocessor = MODELS.build(PREPROCESSOR)  # not used, because frames are normalised already
    return MODELS.build(dict(type=model.type, backbone=backbone, neck=model.neck, data_preprocessor=preprocessor))


def _run(model: nn.Module, frames: Tensor) -> None:
    """Run a teacher of :func:`_build` on frames (B, T, C, H, W)."""
    if isinstance(model, Plugged):
        model(frames.transpose(1, 2) if model.takes_clips else frames.flatten(0, 1))
    else:
        model(frames if isinstance(model, Recognizer2D) else frames.transpose(1, 2).unsqueeze(1), stage='neck')


def _load_weights(model: nn.Module, teacher: Mapping) -> nn.Module:
    """Load the checkpoint of a teacher; set eval mode and disable gradients."""
    content = CheckpointLoader.load_checkpoint(teacher['checkpoint'], map_location='cpu')
    given, own = content.get('state_dict', content), model.state_dict()
    prefix = 'backbone.' if isinstance(model, Plugged) else ''
    state = {key.removeprefix(prefix): value for key, value in given.items() if key.startswith(prefix)}
    for key, value in own.items():
        if key not in state or state[key].shape != value.shape:
            found = f'of shape {tuple(state[key].shape)}' if key in state else 'missing'
            raise ValueError(
                f'{key!r} of {teacher["config"]}, of shape {tuple(value.shape)}, is {found} in '
                f'{teacher["checkpoint"]}; use a checkpoint of this config'
            )
    model.load_state_dict({key: state[key] for key in own})
    return model.eval().requires_grad_(False)
