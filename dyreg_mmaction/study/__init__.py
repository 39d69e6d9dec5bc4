"""Studies compare several configs, each trained with several seeds."""

from .report import write_report
from .run import StudyRun, study_config
from .turns import run_study

__all__ = ['StudyRun', 'run_study', 'study_config', 'write_report']
