"""Parity with results of the unchanged released code, if they are available next to the repository."""

import json

import numpy as np
import pytest
import torch
from parity import FIXTURES, build_module, run, to_ours

from dyreg_mmaction.models.graphs import SpaceTimeGraph
from dyreg_mmaction.models.regions.features import RegionFeatures
from dyreg_mmaction.models.regions.vectors import PoolVectors

needs_fixtures = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f'no released numbers in {FIXTURES}')
pytestmark = needs_fixtures
WRAPPERS = sorted(path.stem for path in FIXTURES.glob('*.npz') if path.stem.startswith(('small', 'mnist', 'real')))


class Fixture:
    """One file: its config, weights and numbers."""

    def __init__(self, name):
        with np.load(FIXTURES / f'{name}.npz') as file:
            arrays = {key.replace('centre', 'center'): file[key] for key in file.files}  # the files' own spelling
        self.config = json.loads(str(arrays.pop('config')))
        self.state = {key[6:]: arrays.pop(key) for key in list(arrays) if key.startswith('state/')}
        self.grads = {key[5:]: arrays.pop(key) for key in list(arrays) if key.startswith('grad/')}
        self.arrays = arrays

    def module(self):
        side = self.config['iH'] or self.config['H']
        return build_module(self.state, (side, side), self.config['params']['init_regions'])

    def has_float32_table(self):
        """Whether the released code kept sinusoids or grid anchors in float32 even in its float64 run."""
        params = self.config['params']
        return params['offset_generator'] == 'small' or params['init_regions'] == 'grid'


def assert_relative(given, expected, bound):
    error = np.abs(given.detach().numpy() - expected).max() / np.abs(expected).max()
    assert error < bound


def test_released_wrappers_are_available():
    assert len(WRAPPERS) >= 8


@pytest.mark.parametrize('name', WRAPPERS)
def test_float64_output(name):
    fixture = Fixture(name)
    if 'output64' not in fixture.arrays:
        pytest.skip('this file holds float32 numbers only')
    with torch.no_grad():
        output = run(fixture.module().double(), torch.from_numpy(fixture.arrays['input']).double())['output']
    bound = 1e-6 if fixture.has_float32_table() else 1e-10
    np.testing.assert_allclose(output, fixture.arrays['output64'], rtol=0, atol=bound)


@pytest.mark.parametrize('name', WRAPPERS)
def test_intermediate_values_in_float32(name):
    fixture = Fixture(name)
    with torch.no_grad():
        given = run(fixture.module(), torch.from_numpy(fixture.arrays['input']))
    compared = [key for key in given if key in fixture.arrays]
    assert {'output', 'kernel', 'region_center', 'region_half_size'} <= set(compared)
    for key in compared:
        assert_relative(given[key], fixture.arrays[key], 1e-4)


@pytest.mark.parametrize('name', WRAPPERS)
def test_gradients_in_float32(name):
    fixture = Fixture(name)
    if not fixture.grads:
        pytest.skip('this file holds no gradients')
    module = fixture.module()
    x = torch.from_numpy(fixture.arrays['input']).requires_grad_()
    run(module, x)['output'].backward(torch.from_numpy(fixture.arrays['cotangent']))
    assert_relative(x.grad, fixture.arrays['grad_input'], 1e-4)
    expected = to_ours(fixture.grads)
    assert expected.keys() == dict(module.named_parameters()).keys()
    largest = max(value.abs().max() for value in expected.values())
    for key, parameter in module.named_parameters():
        # the gradient of a bias before a softmax or a norm is 0 up to rounding
        scale = max(expected[key].abs().max(), 1e-3 * largest)
        assert (parameter.grad - expected[key]).abs().max() < 1e-4 * scale, key


def test_initial_module_is_the_identity():
    fixture = Fixture('small_h14_untouched_init')
    assert np.array_equal(fixture.arrays['output'].reshape(fixture.arrays['input'].shape), fixture.arrays['input'])
    with torch.no_grad():
        output = run(fixture.module(), torch.from_numpy(fixture.arrays['input']))['output']
    assert np.array_equal(output, fixture.arrays['output'])


def test_fishnet():
    fixture = Fixture('fishnet_h14')
    features = RegionFeatures(6, (14, 14)).double()
    own = 'regions.heads.0.'
    features.load_state_dict({k[len(own) :]: v for k, v in to_ours(fixture.state, 'dynamic_graph.fishnet.').items()})
    with torch.no_grad():
        output = features(torch.from_numpy(fixture.arrays['input']).double())
    np.testing.assert_allclose(output, fixture.arrays['output64'], rtol=0, atol=1e-10)


def test_glore():
    fixture = Fixture('glore_h14')
    head = PoolVectors(12, 9, 8).double()
    own = 'regions.heads.'
    head.load_state_dict({k[len(own) :]: v for k, v in to_ours(fixture.state, 'dynamic_graph.glore.').items()})
    with torch.no_grad():
        output = head(torch.from_numpy(fixture.arrays['input']).double())
    np.testing.assert_allclose(output.transpose(1, 2), fixture.arrays['output64'], rtol=0, atol=1e-6)


@pytest.mark.parametrize('dtype, bound', [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_rstg(dtype, bound):
    fixture = Fixture('rstg_sum1')
    graph = SpaceTimeGraph(16).to(dtype)
    own = 'graph.'
    graph.load_state_dict({k[len(own) :]: v for k, v in to_ours(fixture.state, 'dynamic_graph.rstg.').items()})
    x = torch.from_numpy(fixture.arrays['input']).to(dtype).requires_grad_()
    output = graph(x.transpose(2, 3)).transpose(2, 3)
    np.testing.assert_allclose(output.detach(), fixture.arrays['output64'], rtol=0, atol=bound)
    output.backward(torch.from_numpy(fixture.arrays['cotangent']).to(dtype))
    assert_relative(x.grad, fixture.arrays['grad_input'], 1e-4)
    expected = to_ours(fixture.grads, 'dynamic_graph.rstg.')
    for key, parameter in graph.named_parameters():
        grad = expected[own + key]
        assert (parameter.grad - grad).abs().max() < 1e-4 * max(grad.abs().max(), 1e-2), key
