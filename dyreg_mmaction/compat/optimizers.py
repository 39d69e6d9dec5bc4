"""Parameter groups of TSM for models with any kind of layer."""

import functools
from types import ModuleType
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from .on_import import on_import

NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)
CONVS = (nn.modules.conv._ConvNd,)

# kind: (multiplier of lr, multiplier of weight decay)
MULTIPLIERS = {
    'first_conv_weight': (1, 1),
    'first_conv_bias': (2, 0),
    'normal_weight': (1, 1),
    'normal_bias': (2, 0),
    'norm': (1, 0),
    'classifier_weight': (5, 1),
    'classifier_bias': (10, 0),
}


def add_groups(constructor: Any, params: list[dict], module: nn.Module) -> None:
    """Append the parameter groups of ``module`` to ``params``, in the order of ``MULTIPLIERS``."""
    groups: dict[str, list[nn.Parameter]] = {kind: [] for kind in MULTIPLIERS}
    first_conv = next((m for m in module.modules() if isinstance(m, CONVS)), None)
    classifier = _classifier(module) if constructor.paramwise_cfg.get('fc_lr5') else None
    seen = set()
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in seen:
                seen.add(parameter)
                groups[_kind(owner, name, first_conv, classifier)].append(parameter)
    for kind, (lr, decay) in MULTIPLIERS.items():
        params.append(
            dict(params=groups[kind], lr=constructor.base_lr * lr, weight_decay=(constructor.base_wd or 0) * decay)
        )


@on_import('mmaction.engine.optimizers.tsm_optim_wrapper_constructor')
def group_all_parameters(constructors: ModuleType) -> None:
    """TSM's optimizer constructor fails on unknown layers and skips parameters of parent modules. Now it groups all.

    It also assumes that the last layer of the model is the classifier. Models with unknown layers, with parameters of
    parent modules, with another classifier, or with one of nodes are now grouped by :func:`add_groups`.
    """
    stock = constructors.TSMOptimWrapperConstructor.add_params
    known = (*CONVS, nn.Linear, _BatchNorm, nn.GroupNorm)

    @functools.wraps(stock)
    def add_params(self: Any, params: list[dict], model: nn.Module, **kwargs: Any) -> None:
        owners = [module for module in model.modules() if module._parameters]
        classifier = getattr(getattr(model, 'cls_head', None), 'fc_cls', None)
        of_nodes = getattr(model, 'node_classifier', None)
        if of_nodes is None and all(isinstance(owner, known) for owner in owners) and classifier in (None, owners[-1]):
            stock(self, params, model, **kwargs)
        else:
            add_groups(self, params, model)

    constructors.TSMOptimWrapperConstructor.add_params = add_params


def _classifier(module: nn.Module) -> nn.Module:
    """Return the layer that computes the scores, wherever it is in the head."""
    head = getattr(module, 'cls_head', module)
    fc_cls = getattr(head, 'fc_cls', None)
    if isinstance(fc_cls, nn.Module):
        return fc_cls
    classes = getattr(head, 'num_classes', None)
    linears = [m for m in head.modules() if isinstance(m, nn.Linear) and classes in (None, m.out_features)]
    if not linears:
        raise ValueError(
            f'paramwise_cfg has fc_lr5=True, but {type(head).__name__} has no linear layer to num_classes={classes}; '
            'remove fc_lr5'
        )
    return linears[-1]


def _kind(owner: nn.Module, name: str, first_conv: nn.Module | None, classifier: nn.Module | None) -> str:
    if isinstance(owner, NORMS):
        return 'norm'
    what = 'bias' if name.startswith('bias') else 'weight'
    if owner is classifier:
        return f'classifier_{what}'
    return f'first_conv_{what}' if owner is first_conv else f'normal_{what}'
