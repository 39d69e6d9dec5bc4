"""Neck that refines the last feature map of a backbone by a plugin."""

import math
from typing import Any

from torch import Tensor, nn

from dyreg_mmaction.registry import MODELS

from ..building import apart_from_seed, build
from ..forwards import Forward, frames_of_batch
from ..layouts import ChannelsLast, Clips, Frames, FrameTokens, build_layout, with_num_frames
from ..placed_hook import laid_out_like
from ..plugin_weights import check_shapes, warn_missing
from .last_map import LastMapHook, find_last_map

AXES: dict[type, tuple[int, ...]] = {Clips: (5,), Frames: (4,), ChannelsLast: (4, 5), FrameTokens: (3,)}


@MODELS.register_module()
class RegionNeck(nn.Module):
    """Refine the feature map of a backbone by a plugin; the backbone is unchanged.

    .. code:: python

        model = dict(neck=dict(
            type='RegionNeck', in_channels=512, feature_size=7, num_segments=8, plugin=dict(type='DyRegGNN')))

    In a Recognizer3D it runs between backbone and head. Recognizer2D pools the maps of backbones from timm and
    torchvision before its neck, so there it runs as a forward hook of the sub-module that outputs the map, and
    ``extract_feat`` returns refined features for ``stage='backbone'`` too. With a plugin that starts as the identity,
    the initial logits are those of the model without the neck.

    Args:
        in_channels (int): Channels of the map.
        feature_size (int | tuple[int, int]): Height and width of the map in training, in cells.
        plugin (dict): Config of the plugin, such as ``dict(type='DyRegGNN', num_nodes=9)``.
        num_segments (int | str, optional): Frames per clip of a Recognizer2D. 'batch': read from each batch; requires
            RegionRecognizer2D.
        index (int, optional): Index of the map to refine if the backbone outputs several.
        layout (str | dict, optional): Layout of the map, see :mod:`dyreg_mmaction.models.layouts`. None: 'Clips' for 5
            axes, 'Frames' for 4, and that of ``feature_shape`` for timm and torchvision.

    Raises:
        ValueError: If an argument is out of range or the plugin does not fit; in the forward, if the backbone does not
            output such a map.
    """

    def __init__(
        self,
        in_channels: int,
        feature_size: int | tuple[int, int],
        plugin: dict,
        num_segments: int | str | None = None,
        index: int | None = None,
        layout: Any = None,
    ) -> None:
        super().__init__()
        if num_segments not in (None, 'batch') and not (isinstance(num_segments, int) and num_segments > 0):
            raise ValueError(f"num_segments={num_segments!r} must be a positive number of frames, or 'batch'")
        if not (isinstance(in_channels, int) and in_channels > 0):
            raise ValueError(f'in_channels of RegionNeck is {in_channels!r}, but must be an integer of at least 1')
        if not (index is None or isinstance(index, int)):
            raise ValueError(
                f'index of RegionNeck is {index!r}, but must be the number of a map; remove it if there is one map'
            )
        self.in_channels = in_channels
        # None: read from each batch; 0: not set, as in Plugged
        self.num_segments = None if isinstance(num_segments, str) else num_segments or 0
        self.index = index
        self.layout = None if layout is None else build_layout(layout)
        if self.layout is not None and type(self.layout) not in AXES:
            raise ValueError(f'layout={layout!r} must be one of {[kind.__name__ for kind in AXES]} in a RegionNeck')
        self.stride = 1  # number of frames per map
        self.hook: LastMapHook | None = None
        self._untrained = False
        if isinstance(plugin, dict) and str(plugin.get('type')).rpartition('.')[2] == 'TemporalShift':
            raise ValueError('TemporalShift shifts inputs of convolutions; set it in plugins of the backbone')
        with apart_from_seed():
            self.plugin = build(plugin, 'plugin', in_channels=in_channels, feature_size=feature_size)

    def forward(self, x: Any, data_samples: list | None = None) -> tuple[Any, dict]:
        """Return the features with the map refined, and no auxiliary losses, as MMAction2 expects from necks."""
        return self.refine(x), {}

    def refine(self, features: Any) -> Any:
        """Return the features, one map or several, with the map refined."""
        if isinstance(features, Tensor):
            if self.index is not None:
                raise ValueError(f'index={self.index} of RegionNeck, but the backbone outputs one map; omit index')
            return self._refine(features)
        count = len(features) if isinstance(features, tuple | list) else 0
        index = 0 if self.index is None and count == 1 else self.index
        if index is None or not -count <= index < count or not isinstance(features[index], Tensor):
            found = (
                [tuple(getattr(each, 'shape', ())) or type(each).__name__ for each in features] if count else features
            )
            raise ValueError(
                f'index={self.index} of RegionNeck, but the backbone outputs {found}; set it to the index of a map'
            )
        refined = [*features]
        refined[index] = self._refine(features[index])
        kind: Any = type(features)
        return kind(*refined) if hasattr(features, '_fields') else kind(refined)  # named tuples take elements

    def _refine(self, x: Tensor) -> Tensor:
        layout: Any = self.layout or (Clips() if x.ndim == 5 else Frames())
        if x.ndim not in AXES[type(layout)]:
            raise ValueError(
                f'the backbone outputs shape {tuple(x.shape)}, but RegionNeck needs a map in the layout '
                f'{type(layout).__name__}; make the backbone output its map (out_type, return_feat_map), set layout, '
                "or use the backbone's plugins"
            )
        time = x.shape[2] if x.ndim == 5 else self._num_frames(x.shape[0])
        forward, layout = Forward(0, (time, 0, 0)), with_num_frames(layout, time)
        if isinstance(layout, FrameTokens):
            layout, forward = self._with_cells(layout, x, time)
        clips = layout.to_map(x, forward)
        if clips.shape[1] != self.in_channels:
            raise ValueError(
                f'in_channels={self.in_channels} of RegionNeck, but the backbone outputs shape {tuple(x.shape)}, '
                f'{clips.shape[1]} channels in the layout {type(layout).__name__}; set in_channels={clips.shape[1]}, '
                "or, if channels are the last axis, layout='ChannelsLast' (and feature_shape='NHWC' of a timm or "
                'torchvision backbone)'
            )
        refined: Any = layout.from_map(self.plugin(clips), x)
        return laid_out_like(x, refined)

    def _num_frames(self, num_rows: int) -> int:
        frames = self.num_segments or frames_of_batch(self)
        if not frames:
            raise ValueError(
                'RegionNeck needs the number of frames per clip; set num_segments to num_clips of SampleFrames, or to '
                "'batch' in a RegionRecognizer2D"
            )
        num_frames = num_rows * self.stride
        if num_frames % frames:
            raise ValueError(
                f'{num_frames} frames are not a multiple of num_segments={frames}; set num_segments of RegionNeck to '
                'num_clips of SampleFrames'
            )
        return frames // self.stride

    def _with_cells(self, layout: FrameTokens, x: Tensor, time: int) -> tuple[FrameTokens, Forward]:
        """Return the layout of tokens whose map has the aspect ratio of ``feature_size``."""
        rows, columns = getattr(self.plugin, 'feature_size', (1, 1))
        num_cells = x.shape[1 if layout.batch_first else 0] - (layout.class_tokens or 0)
        height = round(math.sqrt(num_cells * rows / columns)) or 1
        if height * (num_cells // height) != num_cells:
            raise ValueError(
                f'{num_cells} tokens of a frame do not form a map with the aspect ratio of feature_size={rows, columns}'
                "; set layout=dict(type='FrameTokens', class_tokens=...) of RegionNeck"
            )
        layout = FrameTokens((1, 1), layout.class_tokens or 0, layout.batch_first, time)
        return layout, Forward(0, (time, height, num_cells // height))

    def attach(self, recognizer: nn.Module) -> None:
        """Refine the map of a Recognizer2D before it is pooled.

        Raises:
            ValueError: If no sub-module of the backbone outputs the map.
        """
        if self.hook is None:
            path, layout = find_last_map(recognizer)
            self.layout = self.layout or layout
            self.stride = 2 if getattr(recognizer.backbone, 'temporal_pool', False) else 1  # of TSM
            self.hook = LastMapHook(self, path)
        self.hook.attach(recognizer.get_submodule('backbone'))

    def train(self, mode: bool = True) -> 'RegionNeck':
        """Set the mode; in eval mode, warn if a loaded checkpoint lacked the plugin's weights."""
        self._untrained = self._untrained and not mode
        if self._untrained:
            warn_missing(1, 1)
        return super().train(mode)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        """Raise an error for a checkpoint of other shapes, which MMEngine would only log."""
        check_shapes(self, state_dict, prefix)
        own = self.state_dict()
        self._untrained = bool(own) and not any(prefix + key in state_dict for key in own)
        if self._untrained and not self.training:
            warn_missing(1, 1)
        super()._load_from_state_dict(state_dict, prefix, *args)
