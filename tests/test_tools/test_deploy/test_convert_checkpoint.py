import runpy
import sys
from pathlib import Path

import pytest
import reference_dyreg
import reference_tsm
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint

from dyreg_mmaction.checkpoints import convert_released_state_dict
from dyreg_mmaction.registry import MODELS

ROOT = Path(__file__).parents[3]
TOOL = ROOT / 'tools/deploy/convert_checkpoint.py'


@pytest.fixture
def convert(monkeypatch):
    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run


@pytest.fixture
def src(tmp_path):
    """Released checkpoint of one small module."""
    state = reference_dyreg.random_state(12, 8, (7, 7))
    state = {f'module.{key}': torch.from_numpy(value) for key, value in state.items()}
    torch.save(dict(epoch=3, state_dict=state), tmp_path / 'src.pth.tar')
    return tmp_path / 'src.pth.tar'


def test_file_contains_the_converted_state_and_its_source(convert, src, tmp_path, capsys):
    convert(src, tmp_path / 'dst.pth')
    content = torch.load(tmp_path / 'dst.pth')
    expected = convert_released_state_dict(torch.load(src))
    assert content['meta']['converted_from'] == 'src.pth.tar'
    assert content['state_dict'].keys() == expected.keys()
    assert all(torch.equal(content['state_dict'][key], value) for key, value in expected.items())
    out = capsys.readouterr().out
    assert 'dropped 4 (geometry of one map size; recomputed for the current size):' in out
    assert '\n  module.dynamic_graph.ph_buf\n' in out and '\n  epoch\n' in out
    assert "{'type': 'DyRegGNN'," in out


def test_mmengine_loads_the_converted_model(convert, tmp_path):
    released = reference_tsm.random_state()
    torch.save(dict(state_dict={f'module.{key}': value for key, value in released.items()}), tmp_path / 'src.pth.tar')
    convert(tmp_path / 'src.pth.tar', tmp_path / 'dst.pth')
    cfg = Config.fromfile(ROOT / 'configs/tsm_r50_dyreg_released_sthv2.py')
    model = MODELS.build(cfg.model)
    load_checkpoint(model, str(tmp_path / 'dst.pth'), strict=True)
    assert torch.equal(model.cls_head.fc_cls.weight, released['new_fc.weight'])
    plugin = model.backbone.plugins['layer4-1-conv2-conv']
    assert torch.equal(
        plugin.graph.space.query.weight, released['base_model.layer4.1.conv2.1.dynamic_graph.rstg.att_q.weight']
    )


def test_files_are_overwritten_only_with_force(convert, src, tmp_path):
    (tmp_path / 'dst.pth').write_text('precious')
    with pytest.raises(SystemExit, match=r'dst\.pth exists; choose another file, or pass --force'):
        convert(src, tmp_path / 'dst.pth')
    assert (tmp_path / 'dst.pth').read_text() == 'precious'
    convert(src, tmp_path / 'dst.pth', '--force')
    assert 'state_dict' in torch.load(tmp_path / 'dst.pth')


def test_unconvertible_file_raises_an_error_and_writes_nothing(convert, src, tmp_path):
    content = torch.load(src)
    del content['state_dict']['module.dynamic_graph.offset_alpha']
    torch.save(content, src)
    with pytest.raises(SystemExit, match=r'(?s)convert_checkpoint\.py: .*missing: dynamic_graph\.offset_alpha'):
        convert(src, tmp_path / 'dst.pth')
    with pytest.raises(SystemExit, match='checkpoint .* does not exist'):
        convert(tmp_path / 'absent.pth', tmp_path / 'dst.pth')
    with pytest.raises(SystemExit, match='folder .* does not exist'):
        convert(src, tmp_path / 'absent/dst.pth')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['src.pth.tar']
