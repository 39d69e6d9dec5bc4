import copy

import pytest
import torch
from backbone_cases import PLUGIN, build, inputs, logits, toy, wake
from torch import nn

from dyreg_mmaction.models import record_regions


def test_forwards_are_recorded_by_plugin_path():
    model = build('TSM-R18')
    with torch.no_grad(), record_regions(model) as record:
        assert record == {'layer2.1.conv2.conv': [], 'layer3.0': []}
        logits(model, inputs('TSM-R18', batch=2))
        logits(model, inputs('TSM-R18'))
    for path, side in (('layer2.1.conv2.conv', 8), ('layer3.0', 4)):
        assert [regions.center.shape for regions in record[path]] == [(2, 4, 4, 2), (1, 4, 4, 2)]
        assert record[path][0].map_size == (side, side)
        assert record[path][0].normalized().center.unique().item() == 0.5


def test_clips_are_recorded():
    model = build('SlowFast')
    with torch.no_grad(), record_regions(model) as record:
        logits(model, inputs('SlowFast'))
    frames = {path: regions[0].center.shape[:2] for path, regions in record.items()}
    assert frames == {'slow_path.layer3.1.conv2': (1, 4), 'fast_path.layer3.1.conv2.conv': (1, 16)}


def test_nothing_is_recorded_outside_the_context():
    model, x = toy('second'), torch.randn(4, 3, 32, 32)
    with record_regions(model) as record:
        model(x)
    model(x)
    assert len(record['second']) == 1
    assert not any(m._forward_hooks for plugin in model.plugins.values() for m in plugin.modules())


def test_recording_ends_after_an_error():
    model = toy('second')
    with pytest.raises(RuntimeError, match='stop'), record_regions(model):
        raise RuntimeError('stop')
    assert not model.plugins['second'].regions._forward_hooks


def test_nested_recordings():
    model, x = toy('second'), torch.randn(4, 3, 32, 32)
    with record_regions(model) as outer, record_regions(model) as inner:
        model(x)
    assert torch.equal(outer['second'][0].center, inner['second'][0].center)


def test_recorded_regions_have_gradients():
    model = toy('second')
    wake(model.plugins)
    with record_regions(model) as record:
        model(torch.randn(4, 3, 32, 32))
    record['second'][0].center.sum().backward()
    assert model.plugins['second'].regions.predictor.fc.weight.grad.count_nonzero()


def test_copy_made_while_recording_records_for_itself():
    model, x = toy('second'), torch.randn(4, 3, 32, 32)
    with record_regions(model) as record:
        copied = copy.deepcopy(model)
        model(x)
    assert len(record['second']) == 1 and len(copied(x)) == 4


def test_two_backbones_have_different_paths():
    model, x = nn.ModuleDict(dict(teacher=toy('second'), student=toy('first', 'second'))), torch.randn(4, 3, 32, 32)
    with record_regions(model) as record:
        model['student'](x)
    assert {path: len(regions) for path, regions in record.items()} == {
        'teacher.second': 0,
        'student.first': 1,
        'student.second': 1,
    }


@pytest.mark.parametrize('model', [nn.Linear(2, 2), toy()])
def test_model_without_regions_raises_an_error(model):
    with pytest.raises(ValueError, match='has no plugin with regions'), record_regions(model):
        pass


def test_plugin_without_regions_is_not_recorded():
    class Plain(nn.Module):
        def __init__(self, in_channels, feature_size):
            super().__init__()

        def forward(self, x):
            return x

    model = toy(dict(type=Plain, after='first'), dict(PLUGIN, after='second'))
    with record_regions(model) as record:
        model(torch.randn(4, 3, 32, 32))
    assert list(record) == ['second']


@pytest.mark.parametrize('way', ['wrapped', 'in place', 'method', 'from outside'])
def test_compiled_model_is_recorded(way):
    torch._dynamo.reset()
    plain, model, x = toy('second').eval(), toy('second').eval(), torch.randn(4, 3, 32, 32)
    model.load_state_dict(plain.state_dict())
    recorded = run = model
    if way == 'in place':
        model.compile(backend='eager')
    elif way == 'method':
        model.forward = torch.compile(model.forward, backend='eager')
    else:
        run = torch.compile(model, backend='eager')
        recorded = run if way == 'wrapped' else model
    with torch.no_grad():
        for _ in range(2):  # compiled before, and run again after
            run(x)
            with record_regions(recorded) as record, record_regions(plain) as expected:
                run(x)
                plain(x)
            (given,), (right,) = record['second'], expected['second']
            torch.testing.assert_close(given.center, right.center)
        run(x)
    assert len(record['second']) == 1
