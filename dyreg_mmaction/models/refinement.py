"""The hook that lets a backbone's forward run through a plugin, exactly once and at its place."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle


class Refinement:
    """Forward hook that gives a sub-module's output to a plugin, and knows whether it did.

    An object and not a closure: deepcopy and pickle follow its attributes, so that a copied backbone calls its own
    copy of the plugin. Plugin and sub-module are looked up by name, as conversions put others in their places.

    Args:
        backbone (nn.Module): The backbone, before anything has been done to it.
        plugins (nn.ModuleDict): Its plugins, by :func:`key_of` their paths.
        path (str): Dotted path of the sub-module.
        num_frames (int, optional): Frames of a clip in its maps (B*T, C, H, W); None: each batch tells its clips.
    """

    module: nn.Module | None = None
    handle: RemovableHandle | None = None
    num_runs = num_clips = num_maps = 0

    def __init__(self, backbone: nn.Module, plugins: nn.ModuleDict, path: str, num_frames: int | None) -> None:
        self.plugins = plugins
        self.key = key_of(path)
        self.path = path
        self.num_frames = num_frames
        self.norm = _norm_behind(backbone, path)
        self.attach(backbone)

    def __call__(self, module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        """Refine maps (B, C, T, H, W) or (B*T, C, H, W)."""
        self.num_runs += 1
        plugin = self.plugins[self.key]
        if output.ndim == 5:
            return plugin(output)
        if self.num_frames is None:
            self._check_clips(output.shape[0])
        clips = (self.num_clips, -1) if self.num_frames is None else (-1, self.num_frames)
        maps = output.unflatten(0, clips).transpose(1, 2)  # (B,C,T,H,W), a view
        return plugin(maps).transpose(1, 2).flatten(0, 1)

    def attach(self, backbone: nn.Module) -> None:
        """Hook the module that is in the place now.

        Raises:
            RuntimeError: If the norm behind the place has been folded in front of the plugin.
        """
        module = backbone.get_submodule(self.path)
        if module is not self.module:
            if self.handle is not None:
                self.handle.remove()
            self.module, self.handle = module, module.register_forward_hook(self)
        if self.norm is not None and _is_folded(backbone, self.norm):
            raise RuntimeError(
                f'the norm {self.norm!r} is folded into the convolution in front of the plugin after={self.path!r}, '
                f'which belongs between the two; do not fuse this model, or build it with after={self.norm!r}'
            )

    def begin(self, num_clips: int) -> None:
        """A forward of the backbone begins, on so many clips."""
        self.num_runs, self.num_clips = 0, num_clips

    def end(self) -> None:
        """It is over.

        Raises:
            RuntimeError: If the plugin has not run exactly once in it.
        """
        if self.num_runs != 1:
            raise RuntimeError(
                f'the plugin after={self.path!r} ran {self.num_runs} times in one forward, not once: something '
                'bypasses or repeats its sub-module since the model was built; undo that, or choose another place'
            )

    def _check_clips(self, num_maps: int) -> None:
        """Refuse a block that runs again in backward, for activation checkpointing, when other clips have come."""
        if self.num_runs == 1:
            self.num_maps = num_maps
        elif self.num_maps != num_maps:
            raise RuntimeError(
                f'after={self.path!r} runs again in backward (with_cp=True) for {num_maps} maps when the last forward '
                f'had {self.num_maps}, so that their clips are not known any more; set with_cp=False'
            )


def key_of(path: str) -> str:
    """Key of the plugin after ``path`` in ``plugins``."""
    return path.replace('.', '-')


def _norm_behind(backbone: nn.Module, path: str) -> str | None:
    """The batch norm that ``fuse_conv_bn`` would fold over a plugin after ``path``."""
    parent, _, name = path.rpartition('.')
    children = list(backbone.get_submodule(parent)._modules.items())
    for key, child in children[[key for key, _ in children].index(name) + 1 :]:
        if isinstance(child, _BatchNorm):
            return f'{parent}.{key}' if parent else key
        if child is not None and next(child.parameters(), None) is not None:
            return None
    return None


def _is_folded(backbone: nn.Module, norm: str) -> bool:
    """Whether ``fuse_conv_bn`` left an identity in a norm's place, or mmcv folds it anew in each forward."""
    block = backbone.get_submodule(norm.rpartition('.')[0])
    folds = getattr(block, 'efficient_conv_bn_eval_forward', None) is not None
    return folds or isinstance(backbone.get_submodule(norm), nn.Identity)
