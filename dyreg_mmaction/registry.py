"""Registries of this package: children of MMAction2's registries, usable without a scope."""

import warnings

from mmaction import registry as mmaction_registry
from mmengine.registry import Registry


class _Registry(Registry):
    """Child registry that also registers its modules in its parent.

    MMAction2's configs have ``default_scope = 'mmaction'``, where ``type='DyRegGNN'`` is not found in child registries
    and would have to be written as ``type='dyreg_mmaction.DyRegGNN'``. If another package registers the same name in
    the parent, before or after this package is imported, the name refers to that class and ours needs the scope.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.parent._register_module = self._register_for_others

    def _register_module(self, module, module_name=None, force=False):
        super()._register_module(module, module_name, force)
        for name in _names(module, module_name):
            if name in self.parent.module_dict and not force:
                self._warn(name, self.parent.module_dict[name])
            else:
                Registry._register_module(self.parent, module, name, force)

    def _register_for_others(self, module, module_name=None, force=False):
        """Replacement of the parent's ``_register_module``."""
        for name in _names(module, module_name):
            if name in self.module_dict and self.parent.module_dict.get(name) is self.module_dict[name]:
                self._warn(name, module)
                del self.parent.module_dict[name]
        Registry._register_module(self.parent, module, module_name, force)

    def _warn(self, name, other):
        ours = [own for own, module in self.module_dict.items() if module is self.module_dict[name]]
        if name == ours[0]:  # the rest are aliases
            warnings.warn(
                f'{name!r} is {other.__module__}.{other.__qualname__}; to use the class of this package, write '
                f"'{self.scope}.{name}' in the config",
                stacklevel=5,
            )


def _names(module, module_name) -> list[str]:
    """Return the names of a module: the given ones or its own."""
    return [module_name or module.__name__] if not isinstance(module_name, list | tuple) else list(module_name)


def _child(name: str, *subpackages: str) -> Registry:
    """Create the child of ``mmaction.registry.<name>``. Both import ``subpackages`` on their first lookup.

    A registry imports only its own locations, so the child also gets those of the parent. Configs with ``_base_ =
    'dyreg_mmaction::...'`` look up all modules in child registries, so each registry needs a child.
    """
    parent = getattr(mmaction_registry, name)
    ours = [f'dyreg_mmaction.{subpackage}' for subpackage in subpackages]
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
