"""Registries of this package: children of MMAction2's, whose names can also be used without a scope."""

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


def _child(name: str, *locations: str) -> Registry:
    parent = getattr(mmaction_registry, name)
    return _Registry(
        parent.name, parent=parent, scope='dyreg_mmaction', locations=[f'dyreg_mmaction.{part}' for part in locations]
    )


MODELS = _child('MODELS', 'models')
DATASETS = _child('DATASETS', 'datasets')
TRANSFORMS = _child('TRANSFORMS', 'datasets')
METRICS = _child('METRICS', 'evaluation')
HOOKS = _child('HOOKS', 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'engine')
