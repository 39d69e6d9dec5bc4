"""RSTG: module, graph, links, positions."""

import numpy as np
import pytest
import reference_rstg as reference
import torch
from rstg_cases import exact, randomize, state

from dyreg_mmaction.models.graphs import MultiScaleGraph
from dyreg_mmaction.ops import Regions, area, grid_regions, normalize
from dyreg_mmaction.ops.adjacency import space_links, space_time_links
from dyreg_mmaction.ops.positions import gaussian_maps
from dyreg_mmaction.registry import MODELS

OPTIONS = [
    dict(),
    dict(attention='simple', positional=True, norm='BN'),
    dict(attention='dot', norm='LN'),
    dict(attention='simple', adjacency='multiply'),
    dict(attention='dot', adjacency='multiply', num_rounds=1),
    dict(attention='dot', adjacency='multiply', norm='LN'),
    dict(stages='1-temp', positional=True, num_rounds=2),
    dict(stages='time-only', norm='LN'),
    dict(stages='space-only', attention='simple', num_rounds=2),
    dict(stages='homogenous', positional=True, num_rounds=2),
]


def for_reference(options):
    options = dict(options)
    return options if 'num_rounds' not in options else dict(options, rounds=options.pop('num_rounds')) | options


def in_cells(regions):
    """Return regions of a map of 5 x 5 cells from positions in 0..1 of the map."""
    return Regions(regions.center * 5 - 0.5, regions.half_size * 5, (5, 5))


def grid(rectangles=None, batch=1, time=1):
    """Return regions (B, T, N, 2) on a map of size (1, 1) from rectangles (x1, y1, x2, y2), float64."""
    boxes = torch.tensor(reference.grid_rectangles() if rectangles is None else rectangles, dtype=torch.float64)
    center, half_size = (boxes[:, 2:] + boxes[:, :2]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    return Regions(center.expand(batch, time, -1, -1), half_size.expand(batch, time, -1, -1), (1, 1))


def moving(batch, time, num_nodes):
    """Return small random regions that differ in each frame."""
    generator = torch.Generator().manual_seed(1)
    low = torch.rand(batch, time, num_nodes, 2, dtype=torch.float64, generator=generator) * 0.7
    half_size = 0.02 + 0.13 * torch.rand(batch, time, num_nodes, 2, dtype=torch.float64, generator=generator)
    return Regions(low + half_size, half_size, (1, 1))


@pytest.mark.parametrize('options', OPTIONS, ids=str)
def test_module_agrees_with_a_plain_evaluation(options):
    module = exact(
        MODELS.build(
            dict(
                type='RSTG',
                in_channels=6,
                feature_size=5,
                node_channels=4,
                graph=dict(type='MultiScaleGraph', **options),
            )
        )
    )
    assert all(parameter.all() for parameter in module.parameters())  # zeros would hide the effect of a parameter
    x = torch.randn(2, 6, 3, 5, 7, dtype=torch.float64)
    expected = reference.to_map(state(module), x.numpy(), reference.grid_rectangles(), **for_reference(options))
    assert np.abs(expected - x.numpy()).max() > 0.1
    assert np.abs(module(x).detach().numpy() - expected).max() < 1e-10


@pytest.mark.parametrize('options', OPTIONS, ids=str)
def test_graph_on_moving_regions_agrees_with_a_plain_evaluation(options):
    graph = randomize(MultiScaleGraph(4, **options).double())
    nodes, regions = torch.randn(2, 4, 6, 4, dtype=torch.float64), moving(2, 4, 6)
    rectangles = torch.cat((regions.center - regions.half_size, regions.center + regions.half_size), -1).tolist()
    expected = reference.graph(state(graph), nodes.numpy(), rectangles, **for_reference(options))
    assert np.abs(graph(nodes, in_cells(regions)).detach().numpy() - expected).max() < 1e-10


def test_moving_test_regions_have_nodes_with_and_without_neighbors():
    degree = space_links(moving(2, 4, 6).boxes()).sum(-1)
    assert degree.min() == 0 and degree.max() > 1


@pytest.mark.parametrize('cells', [3, 2, 1])
@pytest.mark.parametrize('length', [6, 7, 14, 16, 28])
def test_area_filters_are_the_analytic_overlaps(cells, length):
    center, half_size = grid_regions([(cells, cells)])
    kernel = area(center[:cells, 0] * length, half_size[:cells, 0] * length, length)
    expected = np.stack([reference.overlap_weights(i / cells, (i + 1) / cells, length) for i in range(cells)])
    assert np.abs(kernel.numpy() - expected).max() < 1e-12
    assert np.abs(normalize(kernel).numpy() - expected * cells / length).max() < 1e-12
    assert torch.allclose(kernel.sum(0), torch.ones(length, dtype=torch.float64))  # unpooling averages cells


def test_links_of_the_grids_are_the_released_adjacency():
    links = space_links(grid().boxes())[0, 0]
    assert np.array_equal(links.numpy(), reference.released_adjacency())
    assert links.sum() == 90


@pytest.mark.parametrize('size', [(7, 7), (14, 14), (28, 28), (9, 50), (6, 3)])
def test_links_of_the_grids_survive_rounding_at_any_size(size):
    module = MODELS.build(dict(type='RSTG', in_channels=2, feature_size=size, node_channels=2))
    regions = module.regions(torch.zeros(1, 2, 2, *size))
    links = space_links(regions.normalized().boxes())[0, 1]
    assert np.array_equal(links.numpy(), reference.released_adjacency())


@pytest.mark.parametrize(
    'other, linked',
    [
        ((0.5, 0.0, 1.0, 0.5), True),  # common edge
        ((0.5, 0.4, 1.0, 0.9), True),  # a section of an edge
        ((0.5, 0.5, 1.0, 1.0), False),  # only a corner
        ((0.4, 0.4, 0.9, 0.9), True),  # overlap
        ((0.1, 0.1, 0.2, 0.2), True),  # one inside the other
        ((0.6, 0.0, 1.0, 0.5), False),  # apart
        ((0.0, 0.0, 0.5, 0.5), True),  # the same rectangle, another node
    ],
)
def test_links_between_two_rectangles(other, linked):
    links = space_links(grid([(0, 0, 0.5, 0.5), other]).boxes())[0, 0]
    assert links.tolist() == [[False, linked], [linked, False]]


def test_space_time_links_reach_adjacent_frames():
    boxes = moving(2, 4, 6).boxes().transpose(0, 1)
    links = space_time_links(boxes)
    own, before, after = links.unflatten(-1, (3, 6)).unbind(-2)
    assert torch.equal(own, space_links(boxes))
    assert not before[0].any() and not after[-1].any()
    assert torch.equal(before[1:], after[:-1].transpose(-1, -2))
    assert before[1:].diagonal(dim1=-2, dim2=-1).all()


def test_gaussian_maps_of_the_grids_are_the_released_ones():
    maps = gaussian_maps(grid())[0, 0].unflatten(-1, (6, 6))
    expected = torch.zeros(14, 6, 6, dtype=torch.float64)
    node = 0
    for scale in (3, 2, 1):
        length = 6 // scale
        offset = torch.arange(length, dtype=torch.float64) - (length - 1) / 2
        window = torch.exp(-offset.square() / (2 * 2**2))
        for row in range(scale):
            for column in range(scale):
                rows, columns = (slice(k * length, (k + 1) * length) for k in (row, column))
                expected[node, rows, columns] = window[:, None] * window
                node += 1
    assert torch.allclose(maps, expected, atol=1e-12)


def test_gaussian_maps_pass_gradients_to_regions():
    center = torch.full((1, 1, 1, 2), 0.41, dtype=torch.float64, requires_grad=True)
    half_size = torch.full((1, 1, 1, 2), 0.23, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *r: gaussian_maps(Regions(*r, (1, 1))), (center, half_size))


@pytest.mark.parametrize('stages', ['all-temp', 'homogenous'])
def test_order_of_the_nodes_has_no_effect(stages):
    graph = randomize(MultiScaleGraph(4, stages=stages, positional=True, norm='LN').double())
    nodes, regions = torch.randn(2, 4, 6, 4, dtype=torch.float64), in_cells(moving(2, 4, 6))
    order = torch.tensor([0, 4, 2, 5, 3, 1])
    permuted = Regions(regions.center[:, :, order], regions.half_size[:, :, order], regions.map_size)
    assert torch.allclose(graph(nodes[:, :, order], permuted), graph(nodes, regions)[:, :, order], atol=1e-12)


def fresh(*args, **kwargs):
    """Return an initialized graph whose softmaxes are not saturated."""
    torch.manual_seed(0)
    return MultiScaleGraph(*args, **kwargs).double().eval()


def influence(graph, nodes, regions, frame, node):
    """Return the inputs (T, N) that the output of a node depends on."""
    nodes = nodes.clone().requires_grad_()
    graph(nodes, regions)[0, frame, node].sum().backward()
    return nodes.grad[0].abs().sum(-1) > 0


@pytest.mark.parametrize('rounds', [1, 2, 3])
@pytest.mark.parametrize('attention', ['dot', 'simple'])
def test_receptive_field_follows_the_links(rounds, attention):
    rectangles = reference.grid_rectangles((4,))
    graph = fresh(32, rounds, '1-temp', attention, positional=True)
    links = np.array([[reference._meet(a, b, 1e-9) for b in rectangles] for a in rectangles])  # itself included
    reached = np.linalg.matrix_power(links.astype(int), rounds) > 0
    nodes = torch.randn(1, 1, 16, 32, dtype=torch.float64)
    for node in (0, 5):
        assert np.array_equal(influence(graph, nodes, in_cells(grid(rectangles)), 0, node)[0].numpy(), reached[node])


@pytest.mark.parametrize('rounds', [1, 2])
def test_receptive_field_of_homogenous_stages(rounds):
    rectangles = reference.grid_rectangles((4,))
    graph = fresh(32, rounds, 'homogenous')
    graph.final_time = torch.nn.Identity()  # the states of each frame, before their average
    seen = influence(graph, torch.randn(1, 7, 16, 32, dtype=torch.float64), in_cells(grid(rectangles, time=7)), 3, 5)
    links = np.array([[reference._meet(a, b, 1e-9) for b in rectangles] for a in rectangles])
    for frame in range(7):
        near = abs(frame - 3) <= rounds  # a message may come from a neighbor in another frame
        reached = (np.linalg.matrix_power(links.astype(int), rounds)[5] > 0) & near
        assert np.array_equal(seen[frame].numpy(), reached)


@pytest.mark.parametrize('norm', [None, 'LN', 'BN'])
@pytest.mark.parametrize('stages', ['all-temp', '1-temp', 'time-only'])
def test_time_stages_depend_on_the_past_only(stages, norm):
    graph = fresh(16, stages=stages, norm=norm)
    seen = influence(graph, torch.randn(1, 5, 14, 16, dtype=torch.float64), in_cells(grid(time=5)), 2, 0)
    assert seen[:3, 0].all() and not seen[3:].any()


def test_time_only_has_no_messages():
    graph = fresh(16, stages='time-only')
    seen = influence(graph, torch.randn(1, 3, 14, 16, dtype=torch.float64), in_cells(grid(time=3)), 2, 4)
    assert seen[:, 4].all() and seen.sum() == 3


def test_space_only_averages_independent_frames():
    graph = fresh(4, stages='space-only')
    nodes, regions = torch.randn(1, 3, 14, 4, dtype=torch.float64), in_cells(grid(time=3))
    alone = [graph(nodes[:, t : t + 1], in_cells(grid())) for t in range(3)]
    assert torch.allclose(graph(nodes, regions), torch.cat(alone, 1).mean(1, keepdim=True).expand_as(nodes))


@pytest.mark.parametrize('attention', ['dot', 'simple'])
def test_only_the_released_adjacency_gives_weight_to_non_neighbors(attention):
    links = space_links(grid().boxes()).transpose(0, 1)
    nodes = torch.randn(1, 1, 14, 8, dtype=torch.float64)
    for adjacency, weight in (('mask', False), ('multiply', True)):
        graph = randomize(MultiScaleGraph(8, attention=attention, adjacency=adjacency).double())
        attended = graph.space._attention(nodes, links)
        assert torch.allclose(attended.sum(-1), torch.ones(1, 1, 14, dtype=torch.float64))
        assert bool(attended[~links].gt(0).any()) is weight


@pytest.mark.parametrize('adjacency, has_effect', [('mask', False), ('multiply', True)])
def test_bias_of_the_senders_exists_only_if_it_has_an_effect(adjacency, has_effect):
    links = space_links(grid().boxes()).transpose(0, 1)
    nodes = torch.randn(1, 1, 14, 8, dtype=torch.float64)
    space = randomize(MultiScaleGraph(8, attention='dot', adjacency=adjacency).double()).space
    assert (space.key.bias is not None) is has_effect
    attended = space._attention(nodes, links)
    space.key.bias = torch.nn.Parameter(torch.ones(8, dtype=torch.float64))
    assert torch.allclose(space._attention(nodes, links), attended) is not has_effect


def test_node_without_neighbors_gathers_zeros():
    graph = randomize(MultiScaleGraph(8, num_rounds=1, stages='1-temp').double())
    nodes = torch.randn(1, 1, 2, 8, dtype=torch.float64, requires_grad=True)
    regions = in_cells(grid([(0, 0, 0.2, 0.2), (0.5, 0.5, 1, 1)]))
    gathered = []
    graph.space.update.register_forward_pre_hook(lambda _, args: gathered.append(args[0][..., 8:]))  # after the nodes
    graph(nodes, regions).sum().backward()
    assert torch.equal(gathered[0], torch.zeros_like(gathered[0]))
    assert nodes.grad.isfinite().all() and nodes.grad.abs().sum() > 0


def test_gradients_of_the_graph():
    graph = randomize(MultiScaleGraph(3, num_rounds=1, positional=True, norm='LN').double())
    regions = in_cells(moving(1, 2, 3))
    nodes = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: graph(v, regions), nodes)


@pytest.mark.parametrize(
    'plugin',
    [
        dict(type='RSTG', node_channels=8),
        dict(type='RSTG', node_channels=8, num_nodes=9, regions=dict(type='FixedRegions')),
        dict(type='DyRegGNN', graph=dict(type='MultiScaleGraph', positional=True)),  # on dynamic regions
        dict(type='RSTG', node_channels=8, graph=dict(type='SpaceTimeGraph')),  # DyReg-GNN's graph on the grids
        dict(type='RSTG', node_channels=8, regions=dict(type='DynamicRegions')),
    ],
    ids=str,
)
@pytest.mark.parametrize('size', [(9, 7), (13, 16)])
def test_module_is_initially_the_identity_for_any_map(plugin, size):
    module = MODELS.build(dict(plugin, in_channels=16, feature_size=(9, 7)))
    x = torch.randn(2, 16, 3, *size)
    assert torch.equal(module(x), x)
    torch.nn.init.ones_(module.norm.weight)
    y = module(x)
    assert y.shape == x.shape and not torch.equal(y, x)
    y.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


def test_default_module_has_512_channels_and_14_nodes():
    module = MODELS.build(dict(type='RSTG', in_channels=256, feature_size=6))
    assert module.project[0].weight.shape == (512, 256, 1, 1)
    assert module.regions(torch.zeros(1, 2, 1, 6, 6)).center.shape == (1, 2, 14, 2)
    assert MODELS.build(dict(type='RSTG', in_channels=512, feature_size=6)).project is None


def test_plugged_backbone_starts_as_its_parent():
    cfg = dict(type='DyRegResNetTSM', depth=18, num_segments=4, input_size=64, pretrained=None, pretrained2d=False)
    torch.manual_seed(0)
    plain = MODELS.build(cfg)
    torch.manual_seed(0)
    plugged = MODELS.build(dict(cfg, plugins=[dict(type='RSTG', after='layer2.1', node_channels=16)]))
    plain.eval(), plugged.eval()
    x = torch.randn(8, 3, 64, 64)
    expected = plain(x)
    assert torch.equal(plugged(x), expected)
    torch.nn.init.ones_(plugged.plugins['layer2-1'].norm.weight)
    assert not torch.equal(plugged(x), expected)


def test_regions_are_float32_under_autocast():
    graph = dict(type='MultiScaleGraph', positional=True)
    module = MODELS.build(dict(type='RSTG', in_channels=8, feature_size=9, node_channels=16, graph=graph))
    torch.nn.init.ones_(module.norm.weight)
    x = torch.randn(2, 8, 3, 9, 9)
    expected = module(x)
    with torch.autocast('cpu', torch.bfloat16):
        regions = module.regions(x.transpose(1, 2))
        assert gaussian_maps(regions).dtype == torch.float32
        assert torch.allclose(module(x), expected, atol=0.1)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_rounds=0), 'num_rounds is 0, but must be at least 1'),
        (dict(stages='both'), "stages='both' is unknown; choose one of"),
        (dict(attention='max'), "attention='max' is unknown"),
        (dict(norm='GN'), "norm='GN' is unknown"),
        (dict(adjacency='soft'), "adjacency='soft' is unknown"),
        (dict(stages='homogenous', adjacency='multiply'), "set adjacency='mask'"),
    ],
)
def test_invalid_options_raise_errors(options, message):
    with pytest.raises(ValueError, match=message):
        MultiScaleGraph(4, **options)


def test_grids_and_num_nodes_must_agree():
    with pytest.raises(ValueError, match='num_nodes is 9; set num_nodes=14'):
        MODELS.build(dict(type='RSTG', in_channels=4, feature_size=6, num_nodes=9))


def test_nodes_without_rectangles_raise_an_error():
    plugin = dict(type='RSTG', regions=dict(type='SemanticMaps'), in_channels=4, feature_size=6, node_channels=4)
    with pytest.raises(
        ValueError, match='MultiScaleGraph requires rectangular regions, but the region source returns maps'
    ):
        MODELS.build(plugin)(torch.zeros(1, 4, 2, 6, 6))
