"""Reading the regions of a model from outside; modules keep no tensors on themselves."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from dyreg_mmaction.ops import Regions, map_regions

from .listening import eagerly, listen
from .plugged import Plugged


@contextmanager
def record_regions(model: nn.Module) -> Iterator[dict[str, list[Regions]]]:
    """Collect the regions of every forward that this thread runs inside the context.

    .. code:: python

        with record_regions(model) as record:
            model(x)
        record['layer3.4.conv2.conv'][-1].normalized().center  # (B,T,N,2)

    The regions are part of the autograd graph wherever the forward is. Of a source that gives maps, regions
    with the maps' means and variances are recorded. Nothing that torch.compile has compiled runs compiled while a
    context is open, in any thread.

    Args:
        model (nn.Module): Anything that holds plugged backbones.

    Yields:
        dict[str, list[Regions]]: By the path of each plugin, one entry per forward. The path is its ``after``, behind
            the path of its backbone where the model has several.

    Raises:
        ValueError: If the model has no plugin with regions, or is compiled by PyTorch before 2.6.
    """
    record: dict[str, list[Regions]] = {}
    hooks = []
    for path, source in region_sources(model).items():
        record[path] = []

        def hear(_: nn.Module, __: tuple, output: Regions | Tensor, path: str = path) -> None:
            record[path].append(_regions(output))

        hooks.append(listen(source, hear))
    if not record:
        raise ValueError(f'{type(model).__name__} has no plugin with regions; give its backbone plugins=[...]')
    try:
        with eagerly(model):
            yield record
    finally:
        for hook in hooks:
            hook.remove()


def _regions(output: Regions | Tensor) -> Regions:
    return map_regions(output) if isinstance(output, Tensor) else output


def region_sources(model: nn.Module) -> dict[str, nn.Module]:
    """Region source of every plugin, by the plugin's path, after its backbone's where there are several."""
    return {path: plugin.get_submodule('regions') for path, (_, plugin) in region_plugins(model).items()}


def region_plugins(model: nn.Module) -> dict[str, tuple[Plugged, nn.Module]]:
    """Every plugin that has regions, with its backbone, by the path as in :func:`region_sources`."""
    backbones = {path: module for path, module in model.named_modules() if isinstance(module, Plugged)}
    plugins: dict[str, tuple[Plugged, nn.Module]] = {}
    for path, backbone in backbones.items():
        prefix = f'{path.replace("_orig_mod.", "")}.' if len(backbones) > 1 else ''
        for name, plugin in backbone.plugins.items():
            if isinstance(getattr(plugin, 'regions', None), nn.Module):
                plugins[prefix + name.replace('-', '.')] = backbone, plugin
    return plugins
