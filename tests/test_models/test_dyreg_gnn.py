import copy
import io
import pickle

import numpy as np
import pytest
import reference_dyreg
import torch
from backbone_cases import toy
from parity import build_module, run

from dyreg_mmaction.models import DyRegGNN
from dyreg_mmaction.models.graphs import SpaceTimeGraph
from dyreg_mmaction.models.regions import DynamicRegions

SMALL = dict(type='DynamicRegions', hidden_channels=8)


def build(in_channels=8, feature_size=7, num_nodes=4, regions=SMALL, awake=True, **kwargs):
    """Return a small module; ``awake``: with random values for all parameters that start at zero."""
    torch.manual_seed(0)
    module = DyRegGNN(in_channels, feature_size, num_nodes, regions=regions, **kwargs)
    if awake:
        with torch.no_grad():
            for parameter in module.parameters():
                if not parameter.count_nonzero():
                    parameter.normal_(std=0.5)
    return module


# in_channels, node_channels, training (H, W), (H, W) of the map, nodes, generator, rnn, anchors, batch, frames
CASES = {
    'square': (8, 8, (14, 14), (14, 14), 9, 'big', 'GRU', 'center', 2, 3),
    'projected': (12, 8, (7, 7), (7, 7), 9, 'big', 'GRU', 'center', 2, 3),
    'widened': (4, 8, (7, 7), (7, 7), 9, 'big', 'GRU', 'center', 2, 2),
    'wide map': (8, 8, (7, 12), (7, 12), 9, 'big', 'GRU', 'center', 2, 2),
    'tall map': (8, 4, (28, 10), (28, 10), 9, 'small', 'LSTM', 'grid', 1, 2),
    'even map': (4, 4, (24, 22), (24, 22), 9, 'big', 'GRU', 'grid', 1, 2),
    'tiny map': (8, 8, (3, 3), (3, 3), 9, 'big', 'GRU', 'center', 2, 3),
    'large map': (4, 4, (56, 56), (56, 56), 9, 'big', 'GRU', 'center', 1, 2),
    'one node': (8, 8, (7, 7), (7, 7), 1, 'big', 'GRU', 'grid', 2, 3),
    'five nodes': (8, 8, (7, 12), (7, 12), 5, 'big', 'LSTM', 'grid', 2, 3),
    'sixteen nodes': (8, 8, (14, 14), (14, 14), 16, 'small', 'GRU', 'grid', 2, 3),
    'one frame': (8, 8, (7, 7), (7, 7), 9, 'big', 'GRU', 'center', 3, 1),
    'one clip': (8, 8, (7, 7), (7, 7), 9, 'small', 'LSTM', 'center', 1, 5),
    'larger at test': (8, 8, (14, 14), (16, 16), 9, 'big', 'GRU', 'center', 2, 3),
    'smaller at test': (12, 8, (14, 14), (9, 9), 9, 'big', 'GRU', 'grid', 2, 2),
    'other shape at test': (8, 8, (7, 7), (8, 14), 6, 'small', 'GRU', 'grid', 2, 2),
    'many at test': (4, 4, (14, 14), (60, 31), 9, 'big', 'LSTM', 'center', 1, 2),
}


@pytest.mark.parametrize('case', CASES)
def test_module_computes_the_released_result(case):
    in_channels, channels, trained, size, num_nodes, generator, rnn, anchors, batch, time = CASES[case]
    seed = list(CASES).index(case)
    state = reference_dyreg.random_state(in_channels, channels, trained, num_nodes, 8, generator, rnn, seed)
    x = torch.randn(batch, time, in_channels, *size, generator=torch.Generator().manual_seed(seed))
    expected = reference_dyreg.dynamic_graph_wrapper(state, x, trained, anchors)
    module = build_module(state, trained, anchors)
    with torch.no_grad():
        double = run(module.double(), x.double())
        single = run(module.float(), x)
    # sinusoids and grid anchors are float32 numbers, here as in the release
    bound = 1e-6 if generator == 'small' or anchors == 'grid' else 1e-10
    for key, value in double.items():
        np.testing.assert_allclose(value, expected[key], rtol=0, atol=bound * max(1, np.abs(expected[key]).max()))
        error = (single[key] - value).abs().max() / value.abs().max()
        assert error < 1e-4, key


@pytest.mark.parametrize('in_channels, channels', [(8, 8), (256, 256), (320, 256)])
def test_node_channels_are_those_of_the_map_up_to_256(in_channels, channels):
    module = DyRegGNN(in_channels, 3)
    assert module.graph.norm.weight.shape == (channels,)
    assert (module.project is None) == (module.project_back is None) == (in_channels == channels)


def test_output_has_the_shape_of_the_input():
    x = torch.randn(2, 8, 3, 7, 7)
    assert build()(x).shape == x.shape


@pytest.mark.parametrize('heads, rnn', [('fc', 'gru'), ('pool', 'lstm')])
def test_gradients_in_float64(heads, rnn):
    module = build(
        6, (5, 4), 3, dict(SMALL, heads=heads, rnn=rnn), node_channels=4, graph=dict(type='SpaceTimeGraph', rnn=rnn)
    ).double()
    names, parameters = zip(*module.named_parameters(), strict=True)

    def call(x, *values):
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), x)

    x = torch.randn(1, 6, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(call, (x, *parameters), fast_mode=True)


def test_module_starts_as_the_identity():
    x = torch.randn(2, 8, 3, 7, 7)
    assert torch.equal(build(awake=False)(x), x)


def test_initially_only_the_zero_scale_and_its_bias_have_gradients():
    module = build(node_channels=4, awake=False)
    module(torch.randn(2, 8, 3, 7, 7)).square().sum().backward()
    moving = {name for name, parameter in module.named_parameters() if parameter.grad.count_nonzero()}
    assert moving == {'norm.weight', 'norm.bias'}


@pytest.mark.parametrize('heads', ['fc', 'pool'])
def test_every_parameter_has_a_gradient_with_nonzero_scales(heads):
    module = build(node_channels=4, regions=dict(SMALL, heads=heads))
    module(torch.randn(2, 8, 3, 7, 7)).square().sum().backward()
    still = {name for name, parameter in module.named_parameters() if not parameter.grad.count_nonzero()}
    assert not still


def test_clips_are_independent():
    module, x = build().eval(), torch.randn(3, 8, 2, 7, 7)
    torch.testing.assert_close(module(x)[1], module(x[1:2])[0])


def test_frames_do_not_depend_on_later_ones():
    module, x = build(), torch.randn(1, 8, 4, 7, 7)
    changed = x.clone()
    changed[:, :, 2:] += 1
    torch.testing.assert_close(module(changed)[:, :, :2], module(x)[:, :, :2])
    assert not torch.allclose(module(changed)[:, :, 2:] - changed[:, :, 2:], module(x)[:, :, 2:] - x[:, :, 2:])


@pytest.mark.parametrize('layout', ['clips', 'frames'])
def test_channels_last_maps_give_the_same_and_keep_their_format(layout):
    module = build(node_channels=4)
    frames = torch.randn(6, 8, 7, 7)
    clips = frames.unflatten(0, (2, 3)).transpose(1, 2)
    expected = module(clips)
    if layout == 'clips':
        given = module(clips.contiguous(memory_format=torch.channels_last_3d))
        assert given.is_contiguous(memory_format=torch.channels_last_3d)
    else:
        given = module(frames.contiguous(memory_format=torch.channels_last).unflatten(0, (2, 3)).transpose(1, 2))
        assert given.transpose(1, 2).flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(given, expected)


def test_memory_format_of_frames_is_kept():
    clips = torch.randn(6, 8, 7, 7).unflatten(0, (2, 3)).transpose(1, 2)
    assert build()(clips).stride() == clips.stride()


@pytest.mark.parametrize('kernel', ['tent', 'area'])
@pytest.mark.parametrize('heads', ['fc', 'pool'])
def test_bf16_autocast_keeps_the_region_arithmetic_in_float32(kernel, heads):
    module, x = build(node_channels=4, regions=dict(SMALL, heads=heads), kernel=kernel), torch.randn(2, 8, 3, 7, 7)
    regions = []
    module.regions.register_forward_hook(lambda _, __, output: regions.append(output))
    with torch.autocast('cpu', torch.bfloat16):
        output = module(x)
        of_half = module(x.bfloat16())
    assert {r.center.dtype for r in regions} == {r.half_size.dtype for r in regions} == {torch.float32}
    assert output.dtype == torch.float32 and of_half.dtype == torch.bfloat16
    expected = module(x)
    assert (output - expected).norm() < 0.05 * (expected - x).norm()
    output.square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


def tensors_of(module):
    """Yield every tensor that can be reached from a module."""
    buffer = io.BytesIO()
    found = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            if isinstance(obj, torch.Tensor):
                found.append(obj)
                return len(found)

    Pickler(buffer).dump(module)
    return found


@pytest.mark.parametrize('kind', ['module', 'backbone'])
def test_no_tensor_is_kept_between_calls(kind):
    module, shape = (build(), (2, 8, 3, 7, 7)) if kind == 'module' else (toy('second'), (8, 3, 32, 32))
    before = [id(tensor) for tensor in tensors_of(module)]
    module(torch.randn(shape, requires_grad=True))
    assert [id(tensor) for tensor in tensors_of(module)] == before
    assert len(before) == len([*module.parameters(), *module.buffers()]) + len(rnn_weights(module))


def rnn_weights(module):
    return [weight for m in module.modules() if isinstance(m, torch.nn.RNNBase) for weight in m._flat_weights]


def test_copies_and_pickles_compute_the_same():
    module, x = build(), torch.randn(2, 8, 3, 7, 7)
    expected = module(x)
    assert torch.equal(copy.deepcopy(module)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), expected)


def test_buffers_of_the_geometry_are_not_saved():
    state = build(regions=dict(SMALL, heads='pool', reference='grid')).state_dict()
    assert state.keys() == dict(build(regions=dict(SMALL, heads='pool')).named_parameters()).keys()


def test_components_can_be_given_as_classes():
    module = build(regions=dict(type=DynamicRegions, hidden_channels=8), graph=dict(type=SpaceTimeGraph))
    assert isinstance(module.regions, DynamicRegions) and isinstance(module.graph, SpaceTimeGraph)


def test_area_kernels_average_and_fill_their_rectangles():
    fixed = dict(type='FixedRegions')
    module = build(2, 6, 9, fixed, kernel='area', position=False, graph=dict(type='SpaceTimeGraph'))
    cells = torch.arange(9.0).reshape(3, 3).repeat_interleave(2, 0).repeat_interleave(2, 1)
    x = torch.stack((cells, -cells)).reshape(1, 2, 1, 6, 6)
    seen = {}
    module.graph.register_forward_hook(lambda _, args, out: seen.update(nodes=args[0], talked=out))
    output = module(x)
    torch.testing.assert_close(seen['nodes'][0, 0, :, 0], torch.arange(9.0))
    filled = seen['talked'][0, 0].T.reshape(2, 3, 3).repeat_interleave(2, 1).repeat_interleave(2, 2)
    torch.testing.assert_close(output, x + module.norm(filled[None])[:, :, None])


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_nodes=0), 'num_nodes is 0'),
        (dict(num_nodes='9'), "num_nodes is '9', but must be an integer of at least 1"),
        (dict(node_channels=8.0), 'node_channels is 8.0, but must be an integer of at least 1'),
        (
            dict(regions='DynamicRegions'),
            "regions is 'DynamicRegions', but must be a dict, like dict.type='DynamicRegions'.",
        ),
        (
            dict(graph='SpaceTimeGraph'),
            "graph is 'SpaceTimeGraph', but must be a dict, like dict.type='SpaceTimeGraph'.",
        ),
        (
            dict(regions=dict(type='FixedRegions', grids=(2, 2))),
            r'grids is .2, 2., but must be a list of .rows, columns.',
        ),
        (
            dict(regions=dict(SMALL, hidden=8)),
            "regions DynamicRegions has no argument 'hidden'; did you mean 'hidden_c",
        ),
        (dict(regions=dict(type='BoxRegions', boxes=4)), "regions BoxRegions has no argument 'boxes'; it accepts none"),
        (dict(node_channels=0), 'node_channels is 0'),
        (dict(kernel='cone'), "kernel='cone'.*'area', 'raw_tent', 'tent'"),
        (dict(regions=dict(type='Nope')), "regions type='Nope'"),
        (dict(graph=dict(type='Nope')), "graph type='Nope'"),
        (dict(regions=dict(hidden_channels=8)), 'regions type=None'),
        (dict(regions=dict(SMALL, num_nodes=3)), "'DynamicRegions' sets .'num_nodes'"),
        (dict(feature_size=2), 'has 2 x 2 cells, but'),
        (dict(feature_size=(14, 2)), 'has 14 x 2 cells, but'),
        (dict(feature_size=(7, 7, 7)), 'feature_size'),
        (
            dict(node_channels=6, regions=dict(SMALL, heads='pool')),
            'node_channels is 6, but must be a multiple of 4.*4 or 8',
        ),
        (dict(regions=dict(SMALL, heads='conv')), "heads='conv'.*'fc' or 'pool'"),
        (dict(regions=dict(SMALL, time='often')), "time='often'.*'varying' or 'constant'"),
        (dict(regions=dict(SMALL, rnn='rnn')), "rnn='rnn'.*'gru', 'lstm'"),
        (dict(graph=dict(type='SpaceTimeGraph', rnn='rnn')), "rnn='rnn'.*'gru', 'lstm'"),
        (dict(graph=dict(type='SpaceTimeGraph', num_rounds=0)), 'num_rounds is 0, but'),
        (dict(regions=dict(SMALL, reference='corner')), "reference is 'corner'.*'center', 'grid' or"),
        (dict(regions=dict(SMALL, half_size=0.3)), 'half_size=0.3.*predict_size=False'),
        (dict(regions=dict(SMALL, predict_size=False, half_size=1.5)), 'half_size is 1.5'),
        (dict(regions=dict(SMALL, hidden_channels=0)), 'hidden_channels is 0'),
    ],
)
def test_invalid_options_raise_errors(options, message):
    with pytest.raises(ValueError, match=message) as error:
        build(**options)
    assert '\n' not in str(error.value) and len(str(error.value)) < 300
