"""Optimizer constructor with learning rate and weight decay by kind of parameter."""

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from dyreg_mmaction.compat.optimizers import add_groups
from dyreg_mmaction.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DyRegOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """TSM's parameter groups for models with any kind of layer.

    MMAction2's constructor supports convolutions, linear layers and norms. It raises an error for recurrent networks
    and skips parameters of parent modules. For models without these the groups are identical.

    Biases have twice the learning rate. Biases and norms have no weight decay. With
    ``paramwise_cfg=dict(fc_lr5=True)`` the classifier has 5 times the learning rate and its bias 10 times. The
    classifier is ``cls_head.fc_cls``, or the last linear layer of ``cls_head`` with ``num_classes`` outputs. Recurrent
    biases count as biases, all other parameters as weights.

    Source: TSM (ICCV 2019) and the parameter groups of the released DyReg-GNN.

    Raises:
        ValueError: If ``fc_lr5`` is set and the classifier is not found.
    """

    def add_params(self, params: list[dict], module: nn.Module, **kwargs) -> None:
        """Append the parameter groups of ``module`` to ``params``, in the order of ``MULTIPLIERS``."""
        add_groups(self, params, module)
