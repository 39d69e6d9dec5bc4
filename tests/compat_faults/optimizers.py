"""Parameter groups."""

from pathlib import Path

from .registry import fault


@fault('New atomic module type')
def group_all_parameters(folder: Path) -> None:
    from mmaction.engine.optimizers import TSMOptimWrapperConstructor
    from torch import nn

    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GRU(4, 4), nn.Linear(4, 2))
    model.scale = nn.Parameter(nn.init.ones_(model[0].bias.detach().clone()))
    settings = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, weight_decay=0.1))
    optimizer = TSMOptimWrapperConstructor(settings, dict(fc_lr5=True))(model).optimizer
    grouped = [parameter for group in optimizer.param_groups for parameter in group['params']]
    assert {*map(id, grouped)} == {*map(id, model.parameters())}
