"""Modules, and backbones with plugins."""

from . import graphs, heads, losses, necks, regions
from .attaching import attach_regions
from .backbones import add_plugins
from .conv_lstm import ConvLSTM
from .conv_net import ConvNet
from .dyreg_gnn import DyRegGNN
from .necks import RegionNeck
from .non_local import NonLocal
from .plugged import Plugged
from .plugging import plug
from .recognizers import RegionRecognizer2D, RegionRecognizer3D
from .recording import record_regions
from .rstg import RSTG
from .temporal_shift import TemporalShift

__all__ = [
    'ConvLSTM',
    'ConvNet',
    'DyRegGNN',
    'NonLocal',
    'Plugged',
    'RSTG',
    'RegionNeck',
    'RegionRecognizer2D',
    'RegionRecognizer3D',
    'TemporalShift',
    'add_plugins',
    'attach_regions',
    'graphs',
    'heads',
    'losses',
    'necks',
    'plug',
    'record_regions',
    'regions',
]
