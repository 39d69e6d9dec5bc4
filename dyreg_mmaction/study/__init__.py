"""Studies: several configs trained with several seeds, and compared."""

from .run import StudyRun, study_config

__all__ = ['StudyRun', 'study_config']
