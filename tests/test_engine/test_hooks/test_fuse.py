"""Test with a faster copy of the model."""

import copy

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from dyreg_mmaction.engine import FuseHook


class Net(BaseModel):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 1)

    def forward(self, inputs, data_samples=None, mode='predict'):
        return [dict(of=id(self), weight=self.fc.weight.clone())]


class Seen(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(data_samples)

    def compute_metrics(self, results):
        return dict(of=results[0]['of'], weight=results[0]['weight'])


def test_fused_copy_with_averaged_weights_is_tested(tmp_path):
    model = Net()
    runner = Runner(
        model,
        str(tmp_path),
        test_dataloader=dict(dataset=[dict(inputs=torch.ones(1))], sampler=dict(type='DefaultSampler')),
        test_evaluator=Seen(),
        test_cfg=dict(),
        custom_hooks=[FuseHook(), dict(type='EMAHook')],
        log_level='ERROR',
        default_scope='mmaction',
    )
    runner.call_hook('before_run')
    average = next(hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook').ema_model
    average.module.fc.weight.data.fill_(7)
    before = copy.deepcopy(model.state_dict())
    seen = runner.test_loop.run()
    assert seen['of'] != id(model) and seen['weight'] == 7
    assert runner.model is model and all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    assert all(parameter.requires_grad for parameter in model.parameters())
