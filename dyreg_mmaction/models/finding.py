"""The region graphs of a model."""

from torch import nn

from .recording import region_sources
from .region_graph import RegionGraph


def region_graphs(model: nn.Module) -> dict[str, RegionGraph]:
    """Every region graph of a model, by the path that :func:`.record_regions` uses, or else that of the module."""
    paths = {id(source): path for path, source in region_sources(model).items()}
    graphs = {name: module for name, module in model.named_modules() if isinstance(module, RegionGraph)}
    return {paths.get(id(graph.regions), name): graph for name, graph in graphs.items()}
