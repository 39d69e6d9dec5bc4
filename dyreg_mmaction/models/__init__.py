"""Modules, and the backbones that take them."""

from . import graphs, regions
from .backbones import Plugged, add_plugins
from .conv_lstm import ConvLSTM
from .dyreg_gnn import DyRegGNN
from .non_local import NonLocal
from .recording import record_regions

__all__ = ['ConvLSTM', 'DyRegGNN', 'NonLocal', 'Plugged', 'add_plugins', 'graphs', 'record_regions', 'regions']
