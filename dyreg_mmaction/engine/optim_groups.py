"""Learning rates and weight decays by kind of parameter."""

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from dyreg_mmaction.compat.optimizers import add_groups
from dyreg_mmaction.registry import OPTIM_WRAPPER_CONSTRUCTORS


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
        add_groups(self, params, module)
