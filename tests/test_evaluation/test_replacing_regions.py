"""Predictions with the regions of another clip and with the average of the frame."""

import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope

from dyreg_mmaction.evaluation import regions_of_another_clip, regions_of_whole_frame
from dyreg_mmaction.models.finding import region_graphs
from dyreg_mmaction.models.listening import listen
from dyreg_mmaction.models.regions.predictor import RegionPredictor
from dyreg_mmaction.registry import MODELS

FRAMES = 2
SOURCES = dict(
    fixed=dict(type='FixedRegions'),
    dynamic=dict(type='DynamicRegions', zero_init='weight'),
    semantic=dict(type='SemanticMaps'),
)


def recognizer(regions):
    """Return a recognizer whose scores depend on the regions."""
    plugin = dict(type='DyRegGNN', num_nodes=4, residual_scale=1.0, regions=regions)
    neck = dict(type='RegionNeck', in_channels=8, feature_size=6, num_segments=FRAMES, plugin=plugin)
    cfg = dict(
        type='RegionRecognizer2D',
        backbone=dict(type='DyRegConvNet', in_channels=3, channels=(4, 8), padding=1),
        neck=neck if regions else None,
        cls_head=dict(type='TSNHead', num_classes=5, in_channels=8, dropout_ratio=0, init_std=1, average_clips='score'),
        data_preprocessor=dict(type='ActionDataPreprocessor', format_shape='NCHW'),
    )
    if not regions:
        cfg.update(type='Recognizer2D')
        cfg.pop('neck')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg)
    model.init_weights()
    for module in model.modules():
        if isinstance(module, RegionPredictor):  # regions depend on the clip
            torch.nn.init.normal_(module.fc.weight)
    return model.eval()


def clips(*seeds):
    """Return a clip of two views for each seed, (B, 2 * FRAMES, 3, 24, 24)."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.rand(2 * FRAMES, 3, 24, 24, generator=generator) for generator in generators])


def scores(model, inputs):
    with torch.no_grad():
        results = model(inputs, [ActionDataSample() for _ in inputs], mode='predict')
    return torch.stack([result.pred_score for result in results])


@pytest.mark.parametrize('source', SOURCES)
def test_clips_get_the_regions_of_the_clip_before(source):
    model, batch = recognizer(SOURCES[source]), clips(1, 2, 3)
    own = scores(model, batch)
    with regions_of_another_clip(model, num_clips=3):
        other = scores(model, batch)
        of_itself = scores(model, clips(1, 1, 1))  # also checks that views get the regions of the same view
    assert torch.equal(of_itself, own[:1].expand_as(own))
    assert torch.equal(other, own) == (source == 'fixed')
    assert torch.equal(scores(model, batch), own)


@pytest.mark.parametrize('source', SOURCES)
def test_nodes_get_the_average_of_the_frame(source):
    model, batch, seen = recognizer(SOURCES[source]), clips(1, 2), {}
    own = scores(model, batch)
    (graph,) = region_graphs(model).values()
    hooks = [
        listen(graph.regions, lambda module, inputs, output: seen.update(z=inputs[0])),
        listen(graph.graph, lambda module, inputs, output: seen.update(nodes=inputs[0])),
    ]
    with regions_of_whole_frame(model):
        assert not torch.equal(scores(model, batch), own)
    expected = seen['z'].mean((-2, -1)) + graph.position.weight.mean(1) + graph.position.bias  # (B,T,C)
    torch.testing.assert_close(seen['nodes'], expected[:, :, None].expand_as(seen['nodes']), atol=1e-5, rtol=1e-5)
    for hook in hooks:
        hook.remove()
    assert torch.equal(scores(model, batch), own)


def test_errors():
    model = recognizer(None)
    for context in (regions_of_whole_frame(model), regions_of_another_clip(model, num_clips=2)):
        with pytest.raises(ValueError, match='Recognizer2D has no regions to replace'), context:
            pass
    model = recognizer(SOURCES['fixed'])
    with pytest.raises(ValueError, match='num_clips is 1, but must be at least 2'):
        with regions_of_another_clip(model, num_clips=1):
            pass
