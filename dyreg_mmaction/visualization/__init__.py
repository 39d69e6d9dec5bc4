"""Pictures of what a model looks at."""

from .draw import contact_sheet, draw_regions

__all__ = ['contact_sheet', 'draw_regions']
