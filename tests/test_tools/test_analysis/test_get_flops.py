"""Numbers in the paper's tables, and tools/analysis/get_flops.py."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from dyreg_mmaction.registry import MODELS

ROOT = Path(__file__).parents[3]
TOOL = ROOT / 'tools/analysis/get_flops.py'
TABLES = runpy.run_path(str(TOOL))
measure = TABLES['measure']
TOLERANCE = 0.1


@pytest.fixture
def get_flops(monkeypatch):
    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run


@pytest.mark.slow
@pytest.mark.parametrize('row', TABLES['TABLE_12'], ids=lambda row: row.name)
def test_table_12(row):
    found = TABLES['measure_row'](row)
    assert abs(found['macs_published'] - row.macs) < TOLERANCE
    # 26.1 M only counts graph and norm, see the next test
    assert abs(found['params'] - (26.5 if row.params == 26.1 else row.params)) < 0.05


def test_fixed_modules_have_26_1_million_without_projections():
    model = MODELS.build(Config.fromfile(ROOT / 'configs/tsm_r50_dyreg-fixed_sthv2.py').model)
    left_out = sum(
        parameter.numel()
        for plugin in model.backbone.plugins.values()
        for name, parameter in plugin.named_parameters()
        if name.startswith(('project', 'position'))
    )
    assert abs((sum(p.numel() for p in model.parameters()) - left_out) / 1e6 - 26.092) < 5e-4


@pytest.mark.parametrize('row', TABLES['TABLE_6'], ids=lambda row: row.name)
def test_table_6(row):
    found = TABLES['measure_row'](row)
    assert abs(found['params'] - row.params) < 0.02


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


def test_unsuitable_clip_raises_an_error():
    with pytest.raises(ValueError, match=r'does not run on a clip of shape \(3, 3, 64, 64\).*num_segments=4'):
        measure(tiny(), (3, 3, 64, 64))


def test_published_cost_counts_pairs_and_cells():
    found = measure(tiny())
    # 3 rounds, 4 frames, 9 nodes of 16 channels; a map of 16 cells and 256 channels
    messages, projections = 3 * 4 * (81 - 9) * 16 * 16, 4 * (16 - 9) * 16 * 256
    assert found.published_macs - found.macs == messages + projections


def test_cost_of_a_plugin_is_the_difference_to_the_plain_model():
    found, cfg = measure(tiny()), tiny()
    cfg.model.backbone.plugins = []
    plain = measure(cfg)
    (path,) = found.plugins
    assert path == 'layer3.0.conv2.conv'
    assert found.plugins[path] == (found.params - plain.params, found.macs - plain.macs)
    assert plain.plugins == {} and plain.macs == plain.published_macs


def test_kernel_products_are_counted():
    """With a plain grid and no embedding: pooling, unpooling, its norm, projections and the graph."""
    regions = dict(type='FixedRegions')
    found = measure(tiny(regions=regions, kernel='area', position=False))
    frames, nodes, c, cells = 4, 9, 16, 4 * 4
    kernels = nodes * cells * c + (nodes + 2) * cells * 256  # two more nodes for biases
    norm = (nodes + 1) * cells + (nodes + 1) ** 2 * (256 + cells)
    projections = (cells + nodes) * 256 * c
    space = 3 * nodes * c * c + 2 * nodes * nodes * c  # send, query, key; their product, the gathering
    time = nodes * 6 * c * c
    graph = 3 * (time + space) + time
    assert found.plugins['layer3.0.conv2.conv'][1] == frames * (kernels + norm + projections + graph)


def test_size_of_frames_can_be_set():
    found = measure(tiny(), (96, 64))
    assert found.input_shape == (4, 3, 96, 64)
    assert found.macs > measure(tiny()).macs


def test_config_only(get_flops, capsys):
    get_flops(ROOT / 'configs/tsm_r18_dyreg_sthv1.py', '--json')
    found = json.loads(capsys.readouterr().out)
    assert found['input_shape'] == [16, 3, 224, 224]
    assert list(found['plugins']) == [f'layer{stage}.0.conv2.conv' for stage in (2, 3, 4)]


@pytest.mark.parametrize(
    ('name', 'shape'),
    [('tsm_r50_dyreg-detector_sthv2', [16, 3, 224, 224]), ('multisyncmnist/r18_boxes', [10, 1, 128, 128])],
)
def test_models_with_boxes_are_counted(name, shape, get_flops, capsys):
    get_flops(ROOT / f'configs/{name}.py', '--json')
    found = json.loads(capsys.readouterr().out)
    assert found['input_shape'] == shape and all(macs for _, macs in found['plugins'].values())


def test_frames_of_another_size(get_flops, capsys):
    get_flops(ROOT / 'configs/tsm_r18_sthv1.py', '--shape', 64)
    out = capsys.readouterr().out
    assert 'clip        16 x 3 x 64 x 64' in out
    assert 'parameters  11.' in out


def test_rows_without_a_config_are_skipped(capsys):
    row = TABLES['Row']('Nobody', 'nowhere.py', 1.0, 2.0)
    TABLES['print_row'](TABLES['measure_row'](row))
    assert capsys.readouterr().out == 'Nobody               skipped: configs/nowhere.py does not exist\n'


def test_invalid_arguments_raise_errors(get_flops, capsys, tmp_path):
    with pytest.raises(SystemExit):
        get_flops()
    assert 'pass a config or --table' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        get_flops('a.py', '--shape', 1, 2, 3)
    assert '--shape has 3 numbers' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='get_flops.py: .*absent.py'):
        get_flops(tmp_path / 'absent.py')
