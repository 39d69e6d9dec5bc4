"""Predictions with the regions of another clip and with the average of the frame."""

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope

from dyreg_mmaction.evaluation import ReplacedRegions
from dyreg_mmaction.evaluation.replacing_regions import partners
from dyreg_mmaction.models.finding import region_graphs
from dyreg_mmaction.models.listening import listen
from dyreg_mmaction.models.regions.predictor import RegionPredictor
from dyreg_mmaction.registry import MODELS

FRAMES = 2
SOURCES = dict(
    fixed=dict(type='FixedRegions'),
    static=dict(type='StaticRegions'),
    dynamic=dict(type='DynamicRegions', zero_init='weight'),
    semantic=dict(type='SemanticMaps'),
)
CONSTANT = ('fixed', 'static')


def recognizer(*sources, **options):
    """Return a recognizer with a module for each source, whose scores depend on the regions."""
    plugins = [
        dict(type='DyRegGNN', after=after, num_nodes=4, residual_scale=1.0, regions=regions, **options)
        for after, regions in zip(('layer1.1', 'layer2.1'), sources, strict=False)
    ]
    backbone = dict(type='ResNetTSM', depth=18, num_segments=FRAMES, pretrained=None, pretrained2d=False)
    if sources:
        backbone.update(type='DyRegResNetTSM', plugins=plugins, input_size=32)
    cfg = dict(
        type='Recognizer2D',
        backbone=backbone,
        cls_head=dict(
            type='TSNHead', num_classes=5, in_channels=512, dropout_ratio=0, init_std=1, average_clips='score'
        ),
        data_preprocessor=dict(type='ActionDataPreprocessor', format_shape='NCHW'),
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg)
    model.init_weights()
    for module in model.modules():
        if isinstance(module, RegionPredictor):  # regions depend on the clip
            torch.nn.init.normal_(module.fc.weight)
    return model.eval()


def clips(*seeds):
    """Return a clip of two views for each seed, (B, 2 * FRAMES, 3, 32, 32)."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.rand(2 * FRAMES, 3, 32, 32, generator=generator) for generator in generators])


def scores(model, *batches):
    """Return the scores of clips that are tested in batches."""
    with torch.no_grad():
        results = [model(batch, [ActionDataSample() for _ in batch], mode='predict') for batch in batches]
    return torch.stack([result.pred_score for batch in results for result in batch])


@pytest.mark.parametrize('source', SOURCES)
def test_clips_get_the_regions_of_their_partners(source):
    model, batches = recognizer(SOURCES[source]), (clips(1, 2), clips(3))
    replaced = ReplacedRegions(model)
    with replaced.recording():
        own = scores(model, *batches)
    with replaced.by_another_clip([0, 1, 2]):
        assert torch.equal(scores(model, *batches), own)  # every view gets the regions of the same view
    with replaced.by_another_clip([1, 2, 0]):
        another = scores(model, *batches)
    assert torch.equal(another, own) == (source in CONSTANT)
    assert torch.equal(scores(model, *batches), own)


def test_every_module_gets_the_own_regions_of_the_partner():
    """The first module changes the input of the second, but not the regions that the second gets."""
    model = recognizer(SOURCES['dynamic'], SOURCES['dynamic'])
    replaced = ReplacedRegions(model)
    with replaced.recording():
        scores(model, clips(1, 2))
    recorded = [outputs[0].center for outputs in replaced.outputs.values()]
    used = []
    with replaced.by_another_clip([1, 0]):
        hooks = [
            source.register_forward_hook(lambda _, __, output: used.append(output.center))
            for source in replaced.sources.values()
        ]
        scores(model, clips(1, 2))
    for hook in hooks:
        hook.remove()
    for own, now in zip(recorded, used, strict=True):
        assert torch.equal(now, own[[2, 3, 0, 1]])  # two views of each clip
        assert not torch.equal(now, own)


@pytest.mark.parametrize('source, kernel', [*((source, 'tent') for source in SOURCES), ('dynamic', 'area')])
def test_nodes_get_the_average_of_the_frame(source, kernel):
    model, seen = recognizer(SOURCES[source], kernel=kernel), {}
    own = scores(model, clips(1, 2))
    (graph,) = region_graphs(model).values()
    hooks = [
        listen(graph.regions, lambda module, inputs, output: seen.update(z=inputs[0])),
        listen(graph.graph, lambda module, inputs, output: seen.update(nodes=inputs[0])),
    ]
    with ReplacedRegions(model).by_whole_frame():
        assert not torch.equal(scores(model, clips(1, 2)), own)
    for hook in hooks:
        hook.remove()
    expected = seen['z'].mean((-2, -1)) + graph.position.weight.mean(1) + graph.position.bias  # (B,T,C)
    torch.testing.assert_close(seen['nodes'], expected[:, :, None].expand_as(seen['nodes']), atol=1e-4, rtol=1e-4)
    assert torch.equal(scores(model, clips(1, 2)), own)


def test_partners_have_other_labels():
    rng = np.random.default_rng(0)
    for labels in (np.arange(40) % 8, rng.integers(0, 3, 100), [0] * 5 + [1] * 3 + [2] * 3, [[0], [1, 2], [1, 2], [0]]):
        partner = partners(labels)
        assert sorted(partner) == list(range(len(labels)))
        assert all(str(labels[i]) != str(labels[j]) for i, j in enumerate(partner))
    for labels in ([7] * 9, [0] * 8 + [1], [1, 1]):
        partner = partners(labels)
        assert sorted(partner) == list(range(len(labels))) and (partner != np.arange(len(labels))).all()
    with pytest.raises(ValueError, match='there are 1 clips, but at least 2 are needed'):
        partners([3])


def test_errors():
    with pytest.raises(ValueError, match='Recognizer2D has no regions to replace'):
        ReplacedRegions(recognizer())
    model = recognizer(SOURCES['dynamic'])
    replaced = ReplacedRegions(model)
    with pytest.raises(ValueError, match=r'run the test inside recording\(\) first'):
        with replaced.by_another_clip([1, 0]):
            pass
    with replaced.recording():
        scores(model, clips(1, 2), clips(3)[..., :24, :24])
    with pytest.raises(ValueError, match='use the same number of frames and the same crop'):
        with replaced.by_another_clip([1, 2, 0]):
            pass
    with replaced.recording():
        scores(model, clips(1, 2), clips(3)[:, :FRAMES])
    with pytest.raises(ValueError, match='3 clips have 5 views in all'):
        with replaced.by_another_clip([1, 2, 0]):
            pass
