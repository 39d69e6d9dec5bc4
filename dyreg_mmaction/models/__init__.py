"""Modules, and the backbones that take them."""

from . import graphs, regions
from .backbones import Plugged, add_plugins
from .dyreg_gnn import DyRegGNN
from .recording import record_regions

__all__ = ['DyRegGNN', 'Plugged', 'add_plugins', 'graphs', 'record_regions', 'regions']
