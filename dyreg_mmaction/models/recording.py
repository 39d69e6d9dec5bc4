"""Recording of a model's regions; modules do not store tensors."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, map_regions

from .finding import region_sources
from .listening import eagerly, listen


@contextmanager
def record_regions(model: nn.Module) -> Iterator[dict[str, list[Regions]]]:
    """Collect the regions of every forward that this thread runs inside the context.

    .. code:: python

        with record_regions(model) as record:
            model(x)
        record['layer3.4.conv2.conv'][-1].normalized().center  # (B,T,N,2)

    The regions are attached to the autograd graph of the forward. For sources that return maps, regions with the means
    and variances of the maps are recorded. Compiled code runs in eager mode in all threads inside the context.

    Args:
        model (nn.Module): Anything that holds plugged backbones or region necks.

    Yields:
        dict[str, list[Regions]]: By the path of each plugin, see :func:`.find_plugins`, one entry per forward.

    Raises:
        ValueError: If the model has no plugin with regions, or is compiled by PyTorch before 2.6.
    """
    record: dict[str, list[Regions]] = {}
    hooks = []
    for path, source in region_sources(model).items():
        record[path] = []

        def append(_: nn.Module, __: tuple, output: Regions | Tensor, path: str = path) -> None:
            record[path].append(_regions(output))

        hooks.append(listen(source, append))
    if not record:
        raise ValueError(
            f'{type(model).__name__} has no plugin with regions; add plugins=[...] to its backbone, or '
            "neck=dict(type='RegionNeck', ...) to the recognizer"
        )
    try:
        with eagerly(model):
            yield record
    finally:
        for hook in hooks:
            hook.remove()


def _regions(output: Regions | Tensor) -> Regions:
    return map_regions(output) if isinstance(output, Tensor) else output
