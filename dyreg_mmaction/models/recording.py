"""Reading the regions of a model from outside; modules keep no tensors on themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, map_regions

from .backbones import Plugged


@contextmanager
def record_regions(model: nn.Module) -> Iterator[dict[str, list[Regions]]]:
    """Collect the regions of every forward inside the context.

    .. code:: python

        with record_regions(model) as record:
            model(x)
        record['layer3.4.conv2.conv'][-1].normalized().center  # (B,T,N,2)

    The regions are part of the autograd graph wherever the forward is. Of a source that gives maps, regions
    with the maps' means and variances are recorded.

    Args:
        model (nn.Module): Anything that holds plugged backbones; not a compiled model, whose hooks are fixed.

    Yields:
        dict[str, list[Regions]]: By the path of each plugin, one entry per forward. The path is its ``after``, behind
            the path of its backbone where the model has several.

    Raises:
        ValueError: If the model has no plugin with regions.
    """
    record: dict[str, list[Regions]] = {}
    hooks = []
    for path, source in region_sources(model).items():
        record[path] = []
        hooks.append(source.register_forward_hook(lambda _, __, out, path=path: record[path].append(_regions(out))))
    if not record:
        raise ValueError(f'{type(model).__name__} has no plugin with regions; give its backbone plugins=[...]')
    try:
        yield record
    finally:
        for hook in hooks:
            hook.remove()


def _regions(output: Regions | Tensor) -> Regions:
    return map_regions(output) if isinstance(output, Tensor) else output


def region_sources(model: nn.Module) -> dict[str, nn.Module]:
    """Region source of every plugin, by the plugin's path, behind its backbone's where there are several."""
    backbones = {path: module for path, module in model.named_modules() if isinstance(module, Plugged)}
    sources: dict[str, nn.Module] = {}
    for path, backbone in backbones.items():
        prefix = f'{path}.' if len(backbones) > 1 else ''
        for name, plugin in backbone.plugins.items():
            regions = getattr(plugin, 'regions', None)
            if isinstance(regions, nn.Module):
                sources[prefix + name.replace('-', '.')] = regions
    return sources
