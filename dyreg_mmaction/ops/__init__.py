"""Pure functions on tensors: regions, kernels, pooling. This package imports no other package of dyreg_mmaction."""

from .all_sum import all_sum
from .kernels import area, normalize, outer, tent
from .linear import linear
from .messages import gather_messages, gather_normalized
from .moments import map_regions, soft_argmax
from .onednn import has_onednn
from .open_norm import open_layer_norm
from .pool import add_unpooled, normalize_unpooled, pool, unpool
from .precision import at_least_float32, without_autocast
from .recurrence import gru, lstm
from .regions import Regions, decode_regions, each_axis, grid_regions, most_square_grid, reference_points
from .resize import adaptive_avg_pool
from .shift import temporal_shift

__all__ = [
    'Regions',
    'adaptive_avg_pool',
    'add_unpooled',
    'all_sum',
    'area',
    'at_least_float32',
    'decode_regions',
    'each_axis',
    'grid_regions',
    'gather_messages',
    'gather_normalized',
    'gru',
    'has_onednn',
    'linear',
    'lstm',
    'map_regions',
    'most_square_grid',
    'normalize',
    'normalize_unpooled',
    'open_layer_norm',
    'outer',
    'pool',
    'reference_points',
    'soft_argmax',
    'temporal_shift',
    'tent',
    'unpool',
    'without_autocast',
]
