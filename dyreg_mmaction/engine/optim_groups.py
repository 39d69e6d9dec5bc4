"""Learning rates and weight decays by kind of parameter."""

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from dyreg_mmaction.registry import OPTIM_WRAPPER_CONSTRUCTORS

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


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DyRegOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """TSM's parameter groups for models that hold any kind of layer.

    MMAction2's own constructor knows convolutions, linear layers and norms: it refuses recurrent nets and skips
    parameters that modules hold themselves. On a model without those the groups are the same.

    Biases learn at twice the rate; with ``paramwise_cfg=dict(fc_lr5=True)`` the classifier at 5 times, its bias at 10
    times; biases and norms have no weight decay. The classifier is ``cls_head.fc_cls``, or the last linear layer of
    ``cls_head`` to ``num_classes``. Recurrent biases are biases, all other parameters weights.

    Source: TSM (ICCV 2019), and the groups of the released DyReg-GNN.

    Raises:
        ValueError: If ``fc_lr5`` is set and there is no classifier.
    """

    def add_params(self, params: list[dict], module: nn.Module, **kwargs) -> None:
        """Append the groups that the parameters of ``module`` fall into, in the order of ``MULTIPLIERS``."""
        groups: dict[str, list[nn.Parameter]] = {kind: [] for kind in MULTIPLIERS}
        first_conv = next((m for m in module.modules() if isinstance(m, CONVS)), None)
        classifier = _classifier(module) if self.paramwise_cfg.get('fc_lr5') else None
        seen = set()
        for owner in module.modules():
            for name, parameter in owner.named_parameters(recurse=False):
                if parameter.requires_grad and parameter not in seen:
                    seen.add(parameter)
                    groups[_kind(owner, name, first_conv, classifier)].append(parameter)
        for kind, (lr, decay) in MULTIPLIERS.items():
            params.append(dict(params=groups[kind], lr=self.base_lr * lr, weight_decay=(self.base_wd or 0) * decay))


def _classifier(module: nn.Module) -> nn.Module:
    """The layer that gives the scores, wherever it stands in the head."""
    head = getattr(module, 'cls_head', module)
    fc_cls = getattr(head, 'fc_cls', None)
    if isinstance(fc_cls, nn.Module):
        return fc_cls
    classes = getattr(head, 'num_classes', None)
    linears = [m for m in head.modules() if isinstance(m, nn.Linear) and classes in (None, m.out_features)]
    if not linears:
        raise ValueError(
            f'paramwise_cfg has fc_lr5=True, but {type(head).__name__} has no linear layer to num_classes={classes}; '
            'leave fc_lr5 out'
        )
    return linears[-1]


def _kind(owner: nn.Module, name: str, first_conv: nn.Module | None, classifier: nn.Module | None) -> str:
    if isinstance(owner, NORMS):
        return 'norm'
    what = 'bias' if name.startswith('bias') else 'weight'
    if owner is classifier:
        return f'classifier_{what}'
    return f'first_conv_{what}' if owner is first_conv else f'normal_{what}'
