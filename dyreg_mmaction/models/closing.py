"""Closing nodes: the prediction without some of them."""

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

    The graph runs on the open nodes alone: a closed node sends no message (its key is masked in the attention), does
    not count in the statistics of joint norms, and is not written back. A frame in which all nodes are closed gets no
    residual, so that closing all nodes gives the model without the module. The recurrence over time still goes through
    the frames in which a node is closed. The numbers of a clip of which nothing is closed are those without the
    context, to the bit.

    .. code:: python

        plugin = model.backbone.plugins['layer3-4-conv2-conv']
        with close_nodes({plugin: torch.tensor([[[True, False, ...]]])}):
            model(x)

    Args:
        closed (Mapping[nn.Module, Tensor[B, T, N]]): For each :class:`.RegionGraph` (so each ``DyRegGNN``), which nodes
            are closed, of bool, for the B clips of the forwards inside the context, in their order. T = 1 closes a node
            in all frames.
    """
    token = _closed.set({module: PerClip(mask) for module, mask in closed.items()})
    try:
        with eagerly(*closed):
            yield
    finally:
        _closed.reset(token)


def closed_nodes(module: nn.Module, num_clips: int) -> Tensor | None:
    """Which nodes of a region graph are closed in its next clips, bool (num_clips, T, N) or (num_clips, 1, N).

    None where the context of :func:`close_nodes` does not name the module, and in models while they are traced.
    """
    closed = None if is_traced() else _closed.get()
    if closed is None or module not in closed:
        return None
    mask = closed[module].next(module, num_clips)
    if len(mask) != num_clips:
        raise ValueError(
            f'close_nodes has the nodes of {len(closed[module].values)} clips, and its forwards have more; give it one '
            'mask for each clip, views counted'
        )
    return mask
