"""Registries of this package: children of MMAction2's, whose names can also be used without a scope."""

from importlib.util import find_spec

from mmaction import registry as mmaction_registry
from mmengine.registry import Registry


class _Registry(Registry):
    """A child registry that shows its modules to its parent too.

    MMAction2's configs carry ``default_scope = 'mmaction'``, under which a parent does not look into its children; so
    ``type='DyRegGNN'`` would only be found as ``type='dyreg_mmaction.DyRegGNN'``.
    """

    def _register_module(self, module, module_name=None, force=False):
        super()._register_module(module, module_name, force)
        self.parent._register_module(module, module_name, force)


def _child(name: str, *subpackages: str) -> Registry:
    """Makes the child of ``mmaction.registry.<name>``; both import ``subpackages`` when first asked for a module.

    A registry imports its own locations only, hence the parent's here too; and a config with ``_base_ =
    'dyreg_mmaction::...'`` asks the child for everything, hence a child of each.
    """
    parent = getattr(mmaction_registry, name)
    ours = [f'dyreg_mmaction.{subpackage}' for subpackage in subpackages]
    ours = [name for name in ours if find_spec(name)]  # while some are still being written
    parent._locations = [*parent._locations, *ours]
    parent._imported = False
    return _Registry(parent.name, parent=parent, scope='dyreg_mmaction', locations=parent._locations)


RUNNERS = _child('RUNNERS')
RUNNER_CONSTRUCTORS = _child('RUNNER_CONSTRUCTORS')
LOOPS = _child('LOOPS', 'engine')
HOOKS = _child('HOOKS', 'engine')
DATASETS = _child('DATASETS', 'datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'datasets')
TRANSFORMS = _child('TRANSFORMS', 'datasets')
MODELS = _child('MODELS', 'models')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'models')
WEIGHT_INITIALIZERS = _child('WEIGHT_INITIALIZERS', 'models')
OPTIMIZERS = _child('OPTIMIZERS', 'engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'engine')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS', 'engine')
METRICS = _child('METRICS', 'evaluation')
EVALUATOR = _child('EVALUATOR', 'evaluation')
TASK_UTILS = _child('TASK_UTILS', 'models')
VISUALIZERS = _child('VISUALIZERS', 'visualization')
VISBACKENDS = _child('VISBACKENDS', 'visualization')
LOG_PROCESSORS = _child('LOG_PROCESSORS', 'engine')
INFERENCERS = _child('INFERENCERS', 'inference.inferencer')
