"""Parameter groups of MMAction2's optimizers."""

import functools
from types import ModuleType, SimpleNamespace
from typing import Any

from .on_import import on_import


@on_import('mmaction.engine.optimizers.tsm_optim_wrapper_constructor')
def group_all_parameters(constructors: ModuleType) -> None:
    """TSM's optimizer constructor refuses unknown layers and skips parameters of modules with children.

    It also treats the last layer of the model as the classifier. It now gets the layers that it knows, with the
    classifier last; other parameters are those of "other layers", as its docstring says.
    """
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.conv import _ConvNd

    stock = constructors.TSMOptimWrapperConstructor.add_params
    known = (_ConvNd, nn.Linear, _BatchNorm, nn.GroupNorm)

    @functools.wraps(stock)
    def add_params(self: Any, params: list[dict], model: nn.Module, **kwargs: Any) -> None:
        classifier = getattr(getattr(model, 'cls_head', None), 'fc_cls', None)
        layers = [layer for layer in model.modules() if isinstance(layer, known) and layer is not classifier]
        layers += [classifier] if isinstance(classifier, known) else []
        stock(self, params, SimpleNamespace(modules=lambda: layers), **kwargs)
        weights, biases, norms = params[-5:-2]
        grouped = {parameter for group in params for parameter in group['params']}
        for owner in model.modules():
            for name, parameter in owner.named_parameters(recurse=False):
                if parameter.requires_grad and parameter not in grouped and not isinstance(owner, known):
                    kind = (
                        norms
                        if type(owner).__name__.endswith('Norm')
                        else biases
                        if name.startswith('bias')
                        else weights
                    )
                    kind['params'].append(parameter)
                    grouped.add(parameter)

    constructors.TSMOptimWrapperConstructor.add_params = add_params
