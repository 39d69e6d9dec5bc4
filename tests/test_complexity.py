from pathlib import Path

import pytest
from mmengine.config import Config
from torch import nn

import dyreg_mmaction
from dyreg_mmaction.complexity import clip_shape, count, measure

CONFIGS = Path(dyreg_mmaction.__file__).parents[1] / 'configs'


class Toy(nn.Module):
    """A module with the only method of a recogniser that counting needs."""

    def __init__(self, part, prepare=lambda x: x):
        super().__init__()
        self.part = part
        self.prepare = prepare

    def extract_feat(self, x, stage):
        assert stage == 'head'
        return self.part(self.prepare(x))


@pytest.mark.parametrize('kind, gates', [('gru', 3), ('lstm', 4)])
def test_recurrent_nets_are_counted(kind, gates):
    net = {'gru': nn.GRU, 'lstm': nn.LSTM}[kind](5, 7)
    macs, _ = count(Toy(net, lambda x: x[0]).eval(), (11, 3, 5))  # 11 steps of 3 sequences
    assert macs == 11 * 3 * gates * (5 * 7 + 7 * 7)


def test_batch_norms_count_two_a_value_and_convolutions_one_a_product():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)).eval()
    macs, (conv, norm) = count(Toy(net, lambda x: x[0]), (2, 3, 6, 6), list(net))
    assert conv == 2 * 36 * 8 * 3 * 9
    assert norm == 2 * 2 * 36 * 8
    assert macs == conv + norm


def test_3d_convolutions_are_counted():
    assert count(Toy(nn.Conv3d(3, 4, 1)), (3, 2, 6, 6))[0] == 3 * 4 * 2 * 36


def test_nothing_is_computed():
    net = nn.Linear(10**4, 10**4, bias=False)
    assert count(Toy(net), (10**6, 10**4))[0] == 10**14


def tiny(size=64, frames=4, **plugin):
    """A TSM-ResNet-18 with one module, on generated blank videos."""
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips=frames, twice_sample=True, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(-1, size)),
        dict(type='ThreeCrop', crop_size=size),
        dict(type='FormatShape', input_format='NCHW'),
        dict(type='PackActionInputs'),
    ]
    plugin = dict(dict(type='DyRegGNN', after='layer3.0.conv2.conv', node_channels=16), **plugin)
    backbone = dict(type='DyRegResNetTSM', depth=18, pretrained=None, num_segments=frames, plugins=[plugin])
    head = dict(type='TSMHead', num_classes=5, in_channels=512, num_segments=frames)
    return Config(
        dict(
            default_scope='mmaction',
            model=dict(type='Recognizer2D', backbone=dict(backbone, input_size=size), cls_head=head),
            test_dataloader=dict(dataset=dict(type='VideoDataset', pipeline=pipeline)),
        )
    )


def test_a_clip_is_one_view_of_the_pipeline():
    assert clip_shape(tiny()) == (4, 3, 64, 64)


def test_the_clip_of_a_3d_recogniser_has_time_beside_the_frame():
    assert clip_shape(Config.fromfile(CONFIGS / 'i3d_r50_dyreg_sthv1.py')) == (1, 3, 16, 224, 224)


def test_a_generated_dataset_tells_its_own_shape():
    pipeline = [dict(type='FormatShape', input_format='NCHW'), dict(type='PackActionInputs')]
    dataset = dict(type='MultiSyncMNIST', split='test', length=1, pipeline=pipeline)
    assert clip_shape(Config(dict(val_dataloader=dict(dataset=dataset)))) == (10, 1, 128, 128)


def test_without_a_pipeline_the_shape_is_asked_for():
    with pytest.raises(ValueError, match='give the shape of a clip with --shape'):
        clip_shape(Config(dict(model=dict())))
    with pytest.raises(ValueError, match='does not tell the shape of a clip .* give it with --shape'):
        clip_shape(Config(dict(val_dataloader=dict(dataset=dict(type='PoseDataset', pipeline=[])))))


def test_a_clip_that_does_not_fit_is_an_error():
    with pytest.raises(ValueError, match=r'does not run on a clip of shape \(3, 3, 64, 64\).*num_segments=4'):
        measure(tiny(), (3, 3, 64, 64))


def test_messages_are_published_per_pair_and_computed_per_node():
    found = measure(tiny())
    # 3 rounds, 4 frames, 9 nodes of 16 channels
    assert found.published_macs - found.macs == 3 * 4 * (81 - 9) * 16 * 16


def test_a_plugin_costs_what_the_whole_gains():
    found, cfg = measure(tiny()), tiny()
    cfg.model.backbone.plugins = []
    plain = measure(cfg)
    (path,) = found.plugins
    assert path == 'layer3.0.conv2.conv'
    assert found.plugins[path] == (found.params - plain.params, found.macs - plain.macs)
    assert plain.plugins == {} and plain.macs == plain.published_macs


def test_kernel_products_are_counted():
    """With a plain grid and no embedding: pooling, unpooling, projections and the graph."""
    regions = dict(type='FixedRegions')
    found = measure(tiny(regions=regions, kernel='area', position=False))
    frames, nodes, c, cells = 4, 9, 16, 4 * 4
    kernels = 2 * nodes * cells * c
    projections = 2 * cells * 256 * c
    space = 3 * nodes * c * c + 2 * nodes * nodes * c  # send, query, key; their product, the gathering
    time = nodes * 6 * c * c
    graph = 3 * (time + space) + time
    assert found.plugins['layer3.0.conv2.conv'][1] == frames * (kernels + projections + graph)


def test_the_size_of_frames_can_be_set():
    found = measure(tiny(), (96, 64))
    assert found.input_shape == (4, 3, 96, 64)
    assert found.macs > measure(tiny()).macs
