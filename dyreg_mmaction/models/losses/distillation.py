"""Regions learn from models that have learned theirs alone."""

from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.registry import MODELS

from ..finding import region_plugins, region_sources
from ..plugged import Plugged
from ..recording import record_regions
from .base import RegionLoss

PREPROCESSOR = dict(type='ActionDataPreprocessor')  # of a model whose config does not say


@MODELS.register_module()
class RegionDistillation(RegionLoss):
    r"""Distance of regions to those that teachers, models with a plugin each, give to the same frames.

    .. math::
        L = |c - c'|^2 + |\log s - \log s'|^2

    averaged over clips, frames and nodes, summed over plugins, with centres c and half sizes s in 0..1 of the frame.
    Teachers are tried before the training and loaded when the first batch comes. They run without gradient, in eval
    mode and only as far as the regions of their plugin, are part of no checkpoint, and are let go when the phase ends.
    They see the frames that the student sees.

    Source: DyReg-GNN (NeurIPS 2021), the section on several modules: three teachers for the first 10 % of the training.

    Args:
        teachers (dict[str, dict]): By the path of the student's plugin: ``config`` and ``checkpoint``, files of the
            teacher, and ``plugin``, the path of its plugin where that is another.

    Raises:
        ValueError: If a plugin of the student has no teacher, or, before a training, if a teacher lacks the plugin, has
            another number of nodes or of frames, normalises frames otherwise, or its checkpoint is of another model; by
            the call, if its regions are of another shape.
        FileNotFoundError: Before a training, if a file of a teacher is missing.
    """

    releases = True

    def __init__(self, teachers: Mapping[str, Mapping]) -> None:
        for path, teacher in teachers.items():
            if not {'config', 'checkpoint'} <= teacher.keys() <= {'config', 'checkpoint', 'plugin'}:
                raise ValueError(f'teacher of {path!r} must be dict(config=FILE, checkpoint=FILE), not {dict(teacher)}')
        self.teachers = teachers
        self.normalization: dict = {}
        self.models: dict[str, Plugged] = {}

    def check(self, sources: Mapping[str, nn.Module], preprocessor: nn.Module) -> None:
        """See that every plugin to be taught has a teacher, and every teacher a plugin."""
        if self.teachers.keys() != sources.keys():
            raise ValueError(
                f'teachers of RegionDistillation are for {list(self.teachers)}, the plugins that learn their regions '
                f'are {list(sources)}; give each a teacher, or name those that have one by plugins=[...]'
            )
        self.normalization = _normalization(preprocessor)

    def prepare(self, model: nn.Module) -> None:
        """Check that the teachers' files exist and fit the student ``model``."""
        students = region_plugins(model)
        for path, teacher in self.teachers.items():
            for kind in ('config', 'checkpoint'):
                if not Path(teacher[kind]).is_file():
                    raise FileNotFoundError(
                        f'{kind}={teacher[kind]!r}, the teacher of {path!r}, does not exist; tools/train_multi.sh '
                        'trains the teachers first'
                    )
            self._check_teacher(path, teacher, _backbone_of(model, students[path]), students[path])

    def _check_teacher(self, path: str, teacher: Mapping, backbone: Plugged | None, plugin: nn.Module) -> None:
        name = f'{teacher["config"]}, the teacher of {path!r},'
        model = Config.fromfile(teacher['config']).model
        own = _normalization(MODELS.build({**PREPROCESSOR, **(model.get('data_preprocessor') or {})}))
        if own != self.normalization:
            raise ValueError(
                f'{name} takes frames normalised by {own}, and the student by {self.normalization}; make '
                'data_preprocessor agree'
            )
        built = _build(teacher)  # not kept: a copy of the student, such as an average, would hold on to it
        plugins, after = region_plugins(built), teacher.get('plugin', path)
        if after not in plugins:
            raise ValueError(f'{name} has no plugin after {after!r} but {list(plugins)}')
        given, wanted = (getattr(each, 'num_nodes', None) for each in (plugins[after], plugin))
        if None not in (given, wanted) and given != wanted:
            raise ValueError(f'{name} has {given} nodes and the student {wanted}; make num_nodes agree')
        if backbone is not None:
            self._check_time(name, (built, plugins[after]), (backbone, plugin))
        _load_weights(built, teacher)

    def _check_time(self, name: str, teacher: tuple[Plugged, nn.Module], student: tuple[Plugged, nn.Module]) -> None:
        """Check that the maps of both have as many frames."""
        (built, _), (backbone, _) = teacher, student
        given, wanted = (None if each.takes_clips else each.num_segments for each in (built, backbone))
        if None not in (given, wanted) and given != wanted:
            raise ValueError(
                f'{name} has clips of {given} frames and the student of {wanted}; make num_segments agree, as both get '
                'the same frames'
            )
        if built.takes_clips and backbone.takes_clips:
            own, other = _temporal_stride(*teacher), _temporal_stride(*student)
            if own != other:
                raise ValueError(
                    f'{name} has a map for every {own:g} frames and the student for every {other:g}; make the '
                    'temporal strides of the backbones agree'
                )

    def __call__(
        self, regions: Mapping[str, Regions], frames: Tensor, data_samples: list
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, see :class:`RegionLoss`."""
        losses, distances = [], []
        for path, each in regions.items():
            center, half_size, _ = each.normalized()
            taught = self._teach(path, frames).normalized()
            if taught.center.shape != center.shape:
                raise ValueError(
                    f'regions of the teacher of {path!r} are of shape {tuple(taught.center.shape)} and the '
                    f"student's of {tuple(center.shape)}; both need the same frames and num_nodes"
                )
            shift, ratio = center.float() - taught.center, half_size.float().log() - taught.half_size.log()
            losses.append((shift.square().sum(-1) + ratio.square().sum(-1)).mean())
            distances.append((shift.detach() / taught.half_size).norm(dim=-1).mean())
        return torch.stack(losses).sum(), dict(disagreement=torch.stack(distances).mean())

    def finish(self) -> None:
        """Let the teachers go."""
        self.models.clear()

    @torch.no_grad()
    def _teach(self, path: str, frames: Tensor) -> Regions:
        """Regions of a plugin's teacher."""
        if path not in self.models:
            teacher = _build(self.teachers[path], frames.shape[1])
            self.models[path] = _load_weights(teacher, self.teachers[path]).to(frames.device)
        model = self.models[path]
        after = self.teachers[path].get('plugin', path)
        inputs = frames.transpose(1, 2) if model.takes_clips else frames.flatten(0, 1)
        with record_regions(model) as record, torch.autocast(frames.device.type, enabled=False):
            stop = region_sources(model)[after].register_forward_hook(_stop)
            try:
                model(inputs)
            except _RegionsAreThere:
                pass
            finally:
                stop.remove()
        return record[after][-1]


class _RegionsAreThere(Exception):
    """The rest of a teacher need not run."""


def _stop(*_: object) -> None:
    raise _RegionsAreThere


def _normalization(preprocessor: nn.Module) -> dict:
    """What a data preprocessor does to the values of a frame."""
    mean, std = (getattr(preprocessor, name, None) for name in ('mean', 'std'))
    return dict(
        mean=None if mean is None else mean.flatten().tolist(),
        std=None if std is None else std.flatten().tolist(),
        to_rgb=getattr(preprocessor, 'to_rgb', False),
    )


def _backbone_of(model: nn.Module, plugin: nn.Module) -> Plugged | None:
    """The backbone that runs through a plugin; None for a neck's."""
    backbones = [module for module in model.modules() if isinstance(module, Plugged)]
    return next((backbone for backbone in backbones if plugin in backbone.plugins.values()), None)


def _temporal_stride(backbone: Plugged, plugin: nn.Module) -> float:
    """Frames of a clip for each map that a plugin gets."""
    return next(hook.stride for hook in backbone._plugin_hooks if backbone.plugins[hook.key] is plugin)


def _build(teacher: Mapping, num_frames: int | None = None) -> Plugged:
    """The backbone of a teacher, for clips of ``num_frames`` where its config leaves that to the batch."""
    cfg = {**Config.fromfile(teacher['config']).model.backbone, 'pretrained': None}
    if num_frames is not None and cfg.get('num_segments') == 'batch':
        cfg['num_segments'] = num_frames
    return MODELS.build(cfg)


def _load_weights(model: Plugged, teacher: Mapping) -> Plugged:
    """The backbone of a teacher with the weights of its checkpoint, to be run in eval mode without gradients."""
    content = CheckpointLoader.load_checkpoint(teacher['checkpoint'], map_location='cpu')
    given, own = content.get('state_dict', content), model.state_dict()
    state = {key.removeprefix('backbone.'): value for key, value in given.items() if key.startswith('backbone.')}
    for key, value in own.items():
        if key not in state or state[key].shape != value.shape:
            found = f'of shape {tuple(state[key].shape)}' if key in state else 'missing'
            raise ValueError(
                f'{key!r} of {teacher["config"]}, of shape {tuple(value.shape)}, is {found} in '
                f'{teacher["checkpoint"]}; give the checkpoint of this config'
            )
    model.load_state_dict({key: state[key] for key in own})
    return model.eval().requires_grad_(False)
