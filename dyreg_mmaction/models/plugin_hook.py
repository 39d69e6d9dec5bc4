"""The hook that lets a backbone's forward run through a plugin, exactly once and at its place."""

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .forwards import Forward, current_forward
from .layouts import Layout
from .placed_hook import PlacedHook, laid_out_like


class PluginHook(PlacedHook):
    """Forward hook that gives a sub-module's output to a plugin, and counts it in the backbone's :class:`.Forward`.

    The plugin is looked up by name, as conversions put others in its place.

    Args:
        backbone (nn.Module): The backbone, before anything has been done to it.
        plugins (nn.ModuleDict): Its plugins, by :func:`key_of` their paths.
        path (str): Dotted path of the sub-module.
        layout (Layout): What the sub-module gives.
        stride (float): Frames of a clip for each of its maps.
    """

    def __init__(
        self, backbone: nn.Module, plugins: nn.ModuleDict, path: str, layout: Layout, stride: float = 1
    ) -> None:
        super().__init__(path)
        self.plugins = plugins
        self.key = key_of(path)
        self.layout = layout
        self.stride = stride
        self.norm = _norm_behind(backbone, path)
        self.attach(backbone)

    def __call__(self, module: nn.Module, args: tuple, output: Any) -> Any:
        """Refine the output of the sub-module."""
        forward = current_forward()
        if forward is not None:
            forward.num_runs[self.path] = forward.num_runs.get(self.path, 0) + 1
        elif self.layout.needs_forward:
            raise RuntimeError(
                f'the sub-module {self.path!r} runs outside of a forward of its backbone, where the number of clips is '
                'unknown; run the whole backbone; if an activation checkpoint of your own runs it again in backward, '
                'use dyreg_mmaction.compat.activation_checkpointing.checkpoint_in_forward'
            )
        plugin = self.plugins[self.key]
        refined: Any = self.layout.from_map(plugin(self.layout.to_map(output, forward)), output)
        return laid_out_like(output, refined) if isinstance(output, Tensor) else refined

    def attach(self, backbone: nn.Module) -> None:
        """See :class:`.PlacedHook`.

        Raises:
            RuntimeError: If the norm behind the place has been folded in front of the plugin.
        """
        super().attach(backbone)
        if self.norm is not None and _is_folded(backbone, self.norm):
            raise RuntimeError(
                f'the norm {self.norm!r} is folded into the convolution in front of the plugin after={self.path!r}, '
                f'which belongs between the two; do not fuse this model, or build it with after={self.norm!r}'
            )

    def check(self, forward: Forward) -> None:
        """See that the plugin has run in a forward that is over.

        Raises:
            RuntimeError: If it has not run exactly once.
        """
        num_runs = forward.num_runs.get(self.path, 0)
        if num_runs != 1:
            raise RuntimeError(
                f'the plugin after={self.path!r} ran {num_runs} times in one forward, not once: something '
                'bypasses or repeats its sub-module since the model was built; undo that, or choose another place'
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
