"""Forward hook that passes a sub-module's output through a plugin."""

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dyreg_mmaction.ops.tracing import is_traced

from .forwards import Forward, current_forward
from .layouts import Layout
from .placed_hook import CountedHook, laid_out_like


class PluginHook(CountedHook):
    """Forward hook that passes a sub-module's output through a plugin.

    The plugin is looked up by name, because conversions replace modules.

    Args:
        backbone (nn.Module): The unmodified backbone.
        plugins (nn.ModuleDict): Its plugins, with keys by :func:`key_of`.
        path (str): Dotted path of the sub-module.
        layout (Layout): Layout of the sub-module's output.
        stride (float): Number of frames per map of the sub-module.
    """

    def __init__(
        self, backbone: nn.Module, plugins: nn.ModuleDict, path: str, layout: Layout, stride: float = 1
    ) -> None:
        super().__init__(path, f'the plugin after={path!r}')
        self.plugins = plugins
        self.key = key_of(path)
        self.layout = layout
        self.stride = stride
        self.norm = _norm_after(backbone, path)
        self.forwards: dict[Any, Forward | None] = {}  # by shape of the output; None: of several kinds
        self.attach(backbone)

    def __call__(self, module: nn.Module, args: tuple, output: Any) -> Any:
        """Refine the output of the sub-module."""
        forward = self.count()
        if self.layout.needs_forward:
            forward = self._forward_of(output)
        plugin = self.plugins[self.key]
        refined: Any = self.layout.from_map(plugin(self.layout.to_map(output, forward)), output)
        return laid_out_like(output, refined) if isinstance(output, Tensor) else refined

    def _forward_of(self, output: Any) -> Forward:
        """Return the running forward.

        A user's activation checkpointing recomputes the sub-module in backward, outside of a forward. Then return that
        which had an output of this shape, if all that had were of the same number of clips and size.
        """
        shape = _shape(output)
        forward = current_forward()
        if forward is None:
            forward = self.forwards.get(shape)
        elif not is_traced():
            known = self.forwards.setdefault(shape, forward)
            if known is not None and (known.num_clips, known.size) != (forward.num_clips, forward.size):
                self.forwards[shape] = None
        if forward is None:
            raise RuntimeError(
                f'the sub-module {self.path!r} runs outside of a forward of its backbone, where the number of clips is '
                'unknown; run the whole backbone, or, if your own activation checkpointing recomputes it in backward, '
                'use dyreg_mmaction.compat.activation_checkpointing.checkpoint_in_forward'
            )
        return forward

    def attach(self, backbone: nn.Module) -> None:
        """See :class:`.PlacedHook`.

        Raises:
            RuntimeError: If the norm after the plugin has been folded into the convolution before it.
        """
        super().attach(backbone)
        if self.norm is not None and _is_folded(backbone, self.norm):
            raise RuntimeError(
                f'the norm {self.norm!r} is folded into the convolution before the plugin after={self.path!r}, which '
                f'must be between the two; do not fuse this model, or build it with after={self.norm!r}'
            )


def _shape(output: Any) -> tuple:
    parts = (output,) if isinstance(output, Tensor) else output
    return tuple(part.shape if isinstance(part, Tensor) else str(part) for part in parts)


def key_of(path: str) -> str:
    """Return the key of the plugin after ``path`` in ``plugins``."""
    return path.replace('.', '-')


def _norm_after(backbone: nn.Module, path: str) -> str | None:
    """Return the path of the batch norm that ``fuse_conv_bn`` would fold across a plugin after ``path``, or None."""
    parent, _, name = path.rpartition('.')
    children = list(backbone.get_submodule(parent)._modules.items())
    for key, child in children[[key for key, _ in children].index(name) + 1 :]:
        if isinstance(child, _BatchNorm):
            return f'{parent}.{key}' if parent else key
        if child is not None and next(child.parameters(), None) is not None:
            return None
    return None


def _is_folded(backbone: nn.Module, norm: str) -> bool:
    """Return whether ``fuse_conv_bn`` replaced a norm by an identity, or mmcv folds it in each forward."""
    block = backbone.get_submodule(norm.rpartition('.')[0])
    folds = getattr(block, 'efficient_conv_bn_eval_forward', None) is not None
    return folds or isinstance(backbone.get_submodule(norm), nn.Identity)
