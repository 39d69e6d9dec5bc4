"""Every backbone with plugins: bit-identical to its parent at the start, and a normal model afterwards."""

import copy
import pickle

import pytest
import torch
from backbone_cases import CASES, backbone_config, backbone_of, build, inputs, logits, wake
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint, save_checkpoint

from dyreg_mmaction.registry import MODELS

SLOW = {'TSM-R50', 'TANet', 'C3D'}  # 25 and 70 million parameters
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CASES]


@pytest.fixture(scope='module', params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope='module')
def plain(name):
    return build(name, plugins=False)


@pytest.fixture(scope='module')
def plugged(name):
    return build(name)


@pytest.fixture(scope='module')
def awake(plugged):
    model = copy.deepcopy(plugged)
    wake(backbone_of(model).plugins)
    return model


def run(model, x):
    with torch.no_grad():
        torch.manual_seed(0)
        return logits(model, x)


def differs(a, b):
    return not torch.allclose(a, b, rtol=1e-3, atol=1e-6)


def test_weights_and_logits_of_a_seed_are_those_of_the_parent(name, plain, plugged):
    state = plugged.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in plain.state_dict().items())
    added = state.keys() - plain.state_dict().keys()
    assert added and all(key.startswith(('backbone.plugins.', 'plugins.')) for key in added)
    x = inputs(name, batch=2)
    assert torch.equal(run(plugged, x), run(plain, x))


def test_training_mode_is_that_of_the_parent(name, plain, plugged):
    if name == 'C3D':
        pytest.skip('it has no norm')
    plain, plugged, x = copy.deepcopy(plain), copy.deepcopy(plugged), inputs(name, batch=2)
    plain.train(), plugged.train()
    assert torch.equal(run(plugged, x), run(plain, x))
    state = plugged.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in plain.state_dict().items())
    assert all(plugin.training for plugin in backbone_of(plugged).plugins.values())


def test_init_weights_is_that_of_the_parent(name, plain, plugged):
    plain, plugged = copy.deepcopy(plain), copy.deepcopy(plugged)
    before = copy.deepcopy(backbone_of(plugged).plugins.state_dict())
    for model in (plain, plugged):
        torch.manual_seed(1)
        model.init_weights()
    state = plugged.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in plain.state_dict().items())
    after = backbone_of(plugged).plugins.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)
    x = inputs(name)
    assert torch.equal(run(plugged, x), run(plain, x))


def test_checkpoint_of_the_parent_loads_completely(name, plain, plugged, tmp_path):
    trained, plugged = copy.deepcopy(plain), copy.deepcopy(plugged)
    with torch.no_grad():
        for value in trained.state_dict().values():
            if value.is_floating_point():
                value.mul_(1.01).add_(1e-4)
            elif not value.ndim:  # excludes the indices of Swin's windows
                value.add_(1)
    save_checkpoint({'state_dict': trained.state_dict(), 'meta': {}}, str(tmp_path / 'plain.pth'))
    load_checkpoint(plugged, str(tmp_path / 'plain.pth'), map_location='cpu')
    state = plugged.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in trained.state_dict().items())
    x = inputs(name)
    assert torch.equal(run(plugged, x), run(trained, x))


def test_every_plugin_has_an_effect_and_every_parameter_a_gradient(name, plain, awake):
    model, x = copy.deepcopy(awake), inputs(name, batch=2)
    assert differs(run(model, x), run(plain, x))
    logits(model, x).square().sum().backward()
    still = [
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is None or ('plugins' in key and not parameter.grad.count_nonzero())
    ]
    assert not [key for key in still if not key.startswith('cls_head.fc2d')]  # Omni's head for images


def test_copy_calls_its_own_plugins(name, plain, awake):
    x = inputs(name)
    before = run(awake, x)
    copied = copy.deepcopy(awake)
    assert torch.equal(run(copied, x), before)
    put_to_sleep(copied)
    assert torch.equal(run(copied, x), run(plain, x))
    assert torch.equal(run(awake, x), before)


def test_pickle_calls_its_own_plugins(name, plain, awake):
    try:
        pickle.dumps(plain)
    except AttributeError as error:
        pytest.skip(f'its parent cannot be pickled: {error}')
    x = inputs(name)
    copied = pickle.loads(pickle.dumps(awake))
    assert torch.equal(run(copied, x), run(awake, x))
    put_to_sleep(copied)
    assert torch.equal(run(copied, x), run(plain, x))


def put_to_sleep(model):
    with torch.no_grad():
        for plugin in backbone_of(model).plugins.values():
            plugin.norm.weight.zero_(), plugin.norm.bias.zero_()


def test_keys_are_kept_and_building_on_meta_works(name):
    configs = (
        backbone_config(name, plugins=False),
        dict(backbone_config(name), plugins=[]),
        backbone_config(name),
    )
    with torch.device('meta'), DefaultScope.overwrite_default_scope('mmaction'):
        try:
            plain = MODELS.build(configs[0])
        except (NotImplementedError, RuntimeError) as error:
            pytest.skip(f'its parent needs memory: {error}')
        empty, full = map(MODELS.build, configs[1:])
    assert plain.state_dict().keys() == empty.state_dict().keys()
    assert [key for key in full.state_dict() if not key.startswith('plugins.')] == list(plain.state_dict())
    assert len(full.plugins) == len(CASES[name].after) and not empty.plugins
