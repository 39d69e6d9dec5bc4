"""Closing of nodes: prediction without some of the nodes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor, nn

from dyreg_mmaction.ops.tracing import is_traced

from .listening import eagerly
from .per_clip import PerClip

_closed: ContextVar[Mapping[nn.Module, PerClip] | None] = ContextVar('closed_nodes', default=None)


@contextmanager
def close_nodes(closed: Mapping[nn.Module, Tensor]) -> Iterator[None]:
    """Close nodes of region graphs in every forward that this thread runs inside the context.

    The graph runs on the open nodes only. A closed node sends no message (its key is masked in the attention), is
    excluded from the statistics of joint norms, and is not written back. A frame in which all nodes are closed gets no
    residual, so closing all nodes gives the model without the module. The recurrence still includes the frames in which
    a node is closed. Clips without closed nodes give bit-identical results with and without the context.

    .. code:: python

        plugin = model.backbone.plugins['layer3-4-conv2-conv']
        with close_nodes({plugin: torch.tensor([[[True, False, ...]]])}):
            model(x)

    Args:
        closed (Mapping[nn.Module, Tensor[B, T, N]]): Bool masks of the closed nodes of each :class:`.RegionGraph`
            (including ``DyRegGNN``), for the B clips of the forwards inside the context, in order. T = 1 closes a node
            in all frames.
    """
    token = _closed.set({module: PerClip(mask) for module, mask in closed.items()})
    try:
        with eagerly(*closed):
            yield
    finally:
        _closed.reset(token)


def closed_nodes(module: nn.Module, num_clips: int) -> Tensor | None:
    """Return the mask of closed nodes of a region graph for its next clips, (num_clips, T, N) or (num_clips, 1, N).

    It is None outside of :func:`close_nodes`, for modules that the context does not contain, and during tracing.
    """
    closed = None if is_traced() else _closed.get()
    if closed is None or module not in closed:
        return None
    mask = closed[module].next(module, num_clips)
    if len(mask) != num_clips:
        raise ValueError(
            f'close_nodes got masks of {len(closed[module].values)} clips, but its forwards have more clips; pass one '
            'mask per clip, including views'
        )
    return mask
