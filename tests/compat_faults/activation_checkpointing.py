"""Activation checkpointing."""

from pathlib import Path

from .registry import fault


@fault("AssertionError: [['forward'], []]")
def checkpoint_blocks_of_backbones(folder: Path) -> None:
    from mmaction.models.backbones.resnet import Bottleneck

    block = Bottleneck(8, 2, with_cp=True)
    _find_the_forward_again(block, block.conv2)


@fault("AssertionError: [['forward'], []]")
def checkpoint_chosen_modules(folder: Path) -> None:
    from mmengine.runner.activation_checkpointing import turn_on_activation_checkpointing
    from torch import nn

    model = nn.Sequential(nn.Sequential(nn.Conv2d(8, 8, 1)))
    turn_on_activation_checkpointing(model, ['0'])
    _find_the_forward_again(model, model[0][0])


def _find_the_forward_again(model, inside) -> None:
    import torch

    from dyreg_mmaction.compat.activation_checkpointing import thread

    seen = []
    inside.register_forward_hook(lambda *_: seen.append([*thread.running]))
    thread.running.append('forward')
    y = model(torch.ones(2, 8, 4, 4, requires_grad=True))
    thread.running.pop()
    y.sum().backward()
    assert seen == [['forward'], ['forward']], seen
