"""Effects of nodes on a prediction, for models whose dependence on nodes is known."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from backbone_cases import CASES, backbone_config, inputs
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from torch import nn

from dyreg_mmaction.evaluation import explain, grad_cam
from dyreg_mmaction.models.backbones import add_plugins
from dyreg_mmaction.models.closing import close_nodes
from dyreg_mmaction.models.finding import region_graphs
from dyreg_mmaction.registry import MODELS

FRAMES = 2
GRID = dict(type='FixedRegions', grids=[(3, 3)])


@MODELS.register_module()
class RefinementOnly(BaseModule):
    """Returns only the residual of a plugin after ``place``, so that the output depends on nodes only."""

    num_segments = FRAMES

    def __init__(self, num_segments=FRAMES):
        super().__init__()
        self.features = nn.Conv2d(3, 8, 4, stride=4)
        self.place = nn.Identity()

    def forward(self, x):
        y = self.features(x)
        return self.place(y) - y


add_plugins(RefinementOnly, takes_clips=False)


def recognizer(regions=GRID, **backbone):
    plugin = dict(type='DyRegGNN', after='place', num_nodes=9, regions=regions)
    cfg = dict(
        type='Recognizer2D',
        backbone=dict(type='DyRegRefinementOnly', plugins=[plugin], input_size=24, num_segments=FRAMES, **backbone),
        cls_head=dict(type='TSNHead', num_classes=2, in_channels=8, dropout_ratio=0, init_std=1, average_clips='prob'),
        data_preprocessor=dict(type='ActionDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, format_shape='NCHW'),
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg)
    model.init_weights()
    return model


def of_case(name, average_clips='prob'):
    """Return a recognizer with a real backbone and residuals that are not 0."""
    case = CASES[name]
    cfg = dict(
        type=case.recognizer,
        backbone=backbone_config(name),
        cls_head=dict(copy.deepcopy(case.head), average_clips=average_clips),
        data_preprocessor=dict(type='ActionDataPreprocessor'),
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg).eval()
    for graph in region_graphs(model).values():
        nn.init.normal_(graph.norm.weight)
    return model


def marked_clips(count, seed):
    """Return noise; clips of class 1 have a white mark in the upper right corner."""
    rng = np.random.default_rng(seed)
    clips = rng.integers(0, 160, (count, FRAMES, 3, 24, 24)).astype(np.float32)
    labels = rng.integers(0, 2, count)
    clips[labels == 1, ..., :8, 16:] = 255
    return torch.from_numpy(clips), labels


@pytest.fixture(scope='module')
def shortcut():
    """Return a recognizer that was trained to detect the mark."""
    model = recognizer().train()
    nn.init.ones_(model.backbone.plugins['place'].norm.weight)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    clips, labels = marked_clips(64, seed=0)
    for step in range(60):
        rows = slice(16 * (step % 4), 16 * (step % 4) + 16)
        samples = [ActionDataSample().set_gt_label(int(label)) for label in labels[rows]]
        data = model.data_preprocessor(dict(inputs=list(clips[rows]), data_samples=samples), True)
        loss = model(**data, mode='loss')['loss_cls']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2
    return model.eval()


def test_node_on_a_planted_shortcut_has_the_largest_effect(shortcut):
    clips, labels = marked_clips(8, seed=1)
    for clip, label in zip(clips, labels, strict=True):
        explanation = explain(shortcut, clip, random_orders=2)
        assert explanation.target == label
        if label == 1:
            assert explanation.ranking()[0] == ('place', 2)  # upper right
            deletion = explanation.curves['effect'].deletion
            assert deletion[0] == pytest.approx(explanation.probability)
            assert deletion[0] > 0.5 > deletion[1]


def test_residual_of_zero_has_effects_of_exactly_zero():
    model = recognizer().eval()
    explanation = explain(model, marked_clips(1, 0)[0][0], per_frame=True)
    assert (explanation.effects['place'] == 0).all() and (explanation.frame_effects['place'] == 0).all()
    assert explanation.frame_effects['place'].shape == (FRAMES, 9)


def test_nodes_with_equal_regions_have_equal_effects():
    model = recognizer(regions=dict(type='FixedRegions', grids=[(2, 2), (2, 2), (1, 1)])).eval()
    plugin = model.backbone.plugins['place']
    nn.init.normal_(plugin.norm.weight)
    effects = explain(model, marked_clips(1, 0)[0][0]).effects['place']
    assert np.allclose(effects[:4], effects[4:8], atol=1e-5) and np.ptp(effects[:4]) > 1e-3


@pytest.mark.parametrize('name', ['TSM-R18', 'I3D-R50'])
@torch.no_grad()
def test_closing_all_nodes_of_a_plugin_gives_the_model_without_it(name):
    model, x = of_case(name), inputs(name, batch=1)
    graphs = region_graphs(model)
    assert list(graphs) == CASES[name].after
    for path, graph in graphs.items():
        rest = of_case(name)
        nn.init.zeros_(region_graphs(rest)[path].norm.weight)
        with close_nodes({graph: torch.ones(1, 1, graph.num_nodes, dtype=torch.bool)}):
            closed = model(x, stage='head')
        assert torch.allclose(closed, rest(x, stage='head'), atol=1e-6)
        assert not torch.allclose(closed, model(x, stage='head'), atol=1e-3)


def test_prediction_is_bit_equal_to_the_model():
    model, sample = (
        of_case('TSM-R18'),
        dict(inputs=100 * inputs('TSM-R18', batch=1)[0], data_samples=ActionDataSample()),
    )
    (predicted,) = model.test_step(dict(inputs=[sample['inputs']], data_samples=[ActionDataSample()]))
    before = copy.deepcopy(model.state_dict())
    explanation = explain(model, sample, per_frame=True)
    assert explanation.target == predicted.pred_label
    assert np.float32(explanation.probability) == pytest.approx(predicted.pred_score.max().item(), abs=1e-6)
    (again,) = model.test_step(dict(inputs=[sample['inputs']], data_samples=[ActionDataSample()]))
    assert torch.equal(again.pred_score, predicted.pred_score)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {path: effects.shape for path, effects in explanation.effects.items()} == {
        path: (4,) for path in CASES['TSM-R18'].after
    }


@pytest.mark.parametrize('average_clips', ['prob', 'score'])
def test_views_are_averaged_as_the_model_does(average_clips):
    model = of_case('TSM-R18', average_clips)
    views = 100 * torch.cat(list(inputs('TSM-R18', batch=2)))  # (2*T,C,H,W)
    (predicted,) = model.test_step(dict(inputs=[views], data_samples=[ActionDataSample()]))
    scores = predicted.pred_score if average_clips == 'prob' else predicted.pred_score.softmax(-1)
    explanation = explain(model, views, target=1, random_orders=1, max_clips=7)
    assert explanation.probability == pytest.approx(scores[1].item(), abs=1e-5)


def test_curves_end_in_all_closed_and_all_open():
    model = of_case('TSM-R18')
    explanation = explain(model, 100 * inputs('TSM-R18', batch=1)[0], random_orders=3)
    assert set(explanation.curves) == {'effect', 'motion', 'random'}
    for deletion, insertion in explanation.curves.values():
        assert deletion.shape == insertion.shape == (9,)
        assert deletion[0] == pytest.approx(explanation.probability) == pytest.approx(insertion[-1])
        assert deletion[-1] == pytest.approx(insertion[0])
    first = explanation.ranking()[0]
    assert explanation.curves['effect'].deletion[1] == pytest.approx(explanation.without[first[0]][first[1]])


def test_invalid_arguments_raise_errors():
    model = recognizer()
    clip = marked_clips(1, 0)[0][0]
    with pytest.raises(ValueError, match='training mode'):
        explain(model.train(), clip)
    with pytest.raises(ValueError, match='class 7 .* 0 to 1'):
        explain(model.eval(), clip, target=7)
    with pytest.raises(ValueError, match='the scores of the clip are nan'):
        explain(model, torch.full_like(clip, float('nan')))
    with pytest.raises(ValueError, match='no region graph'):
        explain(nn.Linear(2, 2).eval(), clip)


def clip(seed):
    shape = (FRAMES, 3, 24, 24)
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def awake_recognizer():
    model = recognizer().eval()
    for parameter in model.backbone.plugins.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model


def effects_of(model, seed):
    with torch.no_grad():
        return explain(model, clip(seed), random_orders=1).effects['place']


def test_explanations_in_several_threads():
    model = awake_recognizer()
    expected = [effects_of(model, seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: effects_of(model, seed), range(4)))
    np.testing.assert_array_equal(found, expected)
    assert len({effects.tobytes() for effects in expected}) == 4


@pytest.mark.parametrize('what', ['recognizer', 'backbone'])
def test_compiled_model_is_explained(what):
    torch._dynamo.reset()
    model = awake_recognizer()
    expected = effects_of(model, 0)
    (model if what == 'recognizer' else model.backbone).compile(backend='eager')
    with torch.no_grad():
        x = torch.randn(FRAMES, 3, 24, 24)
        plain = model.backbone(x)
        plugin = model.backbone.plugins['place']
        with close_nodes({plugin: torch.ones(1, 1, 9, dtype=torch.bool)}):
            assert plain.any() and not model.backbone(x).any()
        assert torch.equal(model.backbone(x), plain)
    np.testing.assert_array_equal(effects_of(model, 0), expected)


@pytest.mark.parametrize('name', ['TSM-R18', 'I3D-R50'])
def test_grad_cam_of_the_output_of_the_backbone(name):
    pytest.importorskip('captum', reason="GRAD-CAM IS NOT TESTED: pip install 'dyreg_mmaction[explain]'")
    model, clip = of_case(name), 100 * inputs(name, batch=1)[0]
    explanation = explain(model, clip, random_orders=1)
    heat = grad_cam(model, clip, explanation)
    data = model.data_preprocessor(dict(inputs=[clip], data_samples=[ActionDataSample()]), False)['inputs']
    features = model.extract_feat(data, stage='backbone')[0].detach().requires_grad_()
    logits = model.cls_head(features, **({'num_segs': data.shape[1]} if 'TSM' in name else {}))
    (gradient,) = torch.autograd.grad(logits[0, explanation.target], features)
    weight = gradient.flatten(2).mean(-1).reshape(*gradient.shape[:2], *[1] * (gradient.ndim - 2))
    expected = (weight * features).sum(1).relu()
    expected = (expected / expected.max()).detach().reshape(1, -1, *features.shape[-2:])
    np.testing.assert_allclose(heat, expected, atol=1e-5)
    assert heat.max() == 1 and heat.min() >= 0


def test_grad_cam_with_max_testing_views_raises_an_error():
    model = recognizer().eval()
    model.test_cfg = dict(max_testing_views=1)
    pytest.importorskip('captum')
    with pytest.raises(ValueError, match='remove max_testing_views'):
        grad_cam(model, marked_clips(1, 0)[0][0], None)
