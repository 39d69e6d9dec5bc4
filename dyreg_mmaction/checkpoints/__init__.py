"""Safe loading, atomic saving and conversion of checkpoints."""

from .files import load_file, save_file
from .released import Conversion, convert_released, convert_released_state_dict

__all__ = ['Conversion', 'convert_released', 'convert_released_state_dict', 'load_file', 'save_file']
