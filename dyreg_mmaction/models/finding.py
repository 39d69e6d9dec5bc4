"""Plugins of backbones and necks, their region sources, and the region graphs of a model, by path."""

from typing import Any

from torch import nn

from .necks.region_neck import RegionNeck
from .plugged import Plugged
from .region_graph import RegionGraph


def find_plugins(model: nn.Module) -> dict[str, nn.Module]:
    """Find every plugin of a model.

    Returns:
        dict[str, nn.Module]: Plugins by path. The path of a backbone's plugin is its ``after``, with the backbone's
            path as prefix if the model has several backbones. That of a :class:`.RegionNeck`'s plugin is 'neck', or
            the neck's path if there are several necks.
    """
    modules = {path.replace('_orig_mod.', ''): module for path, module in model.named_modules()}
    backbones = {path: module for path, module in modules.items() if isinstance(module, Plugged)}
    necks = {path: module for path, module in modules.items() if isinstance(module, RegionNeck)}
    plugins: dict[str, nn.Module] = {}
    for path, backbone in backbones.items():
        prefix = f'{path}.' if len(backbones) > 1 else ''
        plugins.update({prefix + name.replace('-', '.'): plugin for name, plugin in backbone.plugins.items()})
    for path, neck in necks.items():
        plugins[path if len(necks) > 1 else 'neck'] = neck.plugin
    return plugins


def region_plugins(model: nn.Module) -> dict[str, nn.Module]:
    """Return every module with a region source.

    Returns:
        dict[str, nn.Module]: Plugins by path as in :func:`find_plugins`, and graphs of heads by module path.
    """
    modules = {**find_plugins(model), **region_graphs(model)}
    return {path: module for path, module in modules.items() if isinstance(getattr(module, 'regions', None), nn.Module)}


def region_sources(model: nn.Module) -> dict[str, nn.Module]:
    """Return every region source, by path as in :func:`region_plugins`."""
    return {path: module.get_submodule('regions') for path, module in region_plugins(model).items()}


def region_graphs(model: nn.Module) -> dict[str, RegionGraph]:
    """Return every region graph of a model, by path as in :func:`region_plugins`."""
    paths = {id(plugin): path for path, plugin in find_plugins(model).items()}
    graphs = {
        name.replace('_orig_mod.', ''): module
        for name, module in model.named_modules()
        if isinstance(module, RegionGraph)
    }
    return {paths.get(id(graph), name): graph for name, graph in graphs.items()}


def box_sources(model: nn.Module) -> list[Any]:
    """Return every region source with ``takes_boxes = True``, including those in heads."""
    sources = [getattr(module, 'regions', None) for module in model.modules()]
    return [source for source in sources if isinstance(source, nn.Module) and getattr(source, 'takes_boxes', False)]
