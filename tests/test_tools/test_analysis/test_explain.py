"""Test tools/analysis/explain.py."""

import csv
import importlib.util
import json
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image
from tool_runs import ROOT, run

from dyreg_mmaction.datasets.synthetic.mini_something.generator import generate_mini_something
from dyreg_mmaction.models.finding import region_graphs
from dyreg_mmaction.registry import MODELS

CONFIG = str(ROOT / 'configs/tsm_r18_dyreg_mini.py')
PATH = 'layer1.1.conv2.conv'


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """A small dataset, and a checkpoint whose plugin is not the identity."""
    root = tmp_path_factory.mktemp('explain')
    generate_mini_something(root / 'data', num_train=1, num_val=4)
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(CONFIG).model)
    for graph in region_graphs(model).values():
        torch.nn.init.ones_(graph.norm.weight)
    torch.nn.init.normal_(model.cls_head.fc_cls.weight, std=0.1)
    torch.save(dict(state_dict=model.state_dict()), root / 'model.pth')
    (root / 'empty.webm').write_bytes(b'')
    log = root / '20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 2.0, "step": 1}\n{"loss": 1.0, "step": 2}\n')
    return root


OPTIONS = ['--random-orders', 2, '--device', 'cpu', '--cfg-options']


@pytest.mark.slow
def test_explain_a_dataset(root):
    options = ['--dataset', 'val', '--num', 2, '--html', '--grad-cam', *OPTIONS, f'data_root={root}/data']
    command = [CONFIG, root / 'model.pth', '--out', root / 'out', *options]
    printed = run(sys.executable, 'tools/analysis/explain.py', *map(str, command))
    assert 'order by effect' in printed and 'the strongest node in' in printed
    content = json.loads((root / 'out/explanations.json').read_text())
    assert set(content['areas']) == {'effect', 'motion', 'random'}
    assert sum(place['nodes'] for place in content['places'].values()) == pytest.approx(1)
    for clip in content['clips']:
        effects = clip['effects'][PATH]
        assert len(effects) == 9 and np.ptp(effects) > 0
        for deletion, insertion in (curves.values() for curves in clip['curves'].values()):
            assert deletion[0] == pytest.approx(clip['probability'], abs=1e-5) == pytest.approx(insertion[-1], abs=1e-5)
    with (root / 'out/nodes.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18 and {row['place'] for row in rows} <= {'acting', 'resting', 'background'}
    assert [float(row['effect']) for row in rows[:9]] == content['clips'][0]['effects'][PATH]
    with Image.open(root / 'out/curves.png') as picture:
        assert picture.size[0] > 800
    page = (root / 'out/report.html').read_text()
    data = json.loads(page.partition('id="data">')[2].partition('</script>')[0])
    assert [clip['name'] for clip in data['clips']] == [clip['clip'] for clip in content['clips']]
    np.testing.assert_allclose(
        data['clips'][0]['plugins'][0]['effects'], content['clips'][0]['effects'][PATH], rtol=1e-3
    )
    assert all(len(clip['heat']) == 8 for clip in data['clips'])
    assert data['curves'][0]['areas'] == content['areas']['effect']
    about = dict(data['about'])
    assert about['checkpoint'] == str(root / 'model.pth') and about['data'] == f'val: {root}/data'
    assert '--grad-cam' in about['command'] and data['training'] == {'loss': [[1, 2.0], [2, 1.0]]}


@pytest.fixture
def main(root, monkeypatch):
    """Run its main function with arguments."""
    spec = importlib.util.spec_from_file_location('explain', ROOT / 'tools/analysis/explain.py')
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def main(*arguments):
        command = ['tool', CONFIG, *arguments, '--out', root / 'videos', *OPTIONS, f'data_root={root}/data']
        monkeypatch.chdir(root)
        monkeypatch.setattr(sys, 'argv', [str(argument) for argument in command])
        tool.main()

    return main


@pytest.mark.slow
def test_explain_videos_with_an_unreadable_one(root, main, capsys):
    main('model.pth', 'empty.webm', 'data/videos/100001.webm', '--target', 3, '--per-frame')
    assert 'empty.webm is skipped: empty.webm cannot be read as a video' in capsys.readouterr().err
    (clip,) = json.loads((root / 'videos/explanations.json').read_text())['clips']
    assert clip['clip'] == '100001.webm' and clip['target'] == 3
    assert np.shape(clip['frame_effects'][PATH]) == (8, 9)
    assert sorted(path.name for path in (root / 'videos').iterdir()) == ['curves.png', 'explanations.json', 'nodes.csv']


@pytest.mark.slow
@pytest.mark.parametrize(
    'arguments, words',
    [
        (['model.pth'], 'pass either videos or --dataset'),
        (['model.pth', 'a.webm', '--max-clips', 0], '--max-clips 0 must be at least 1'),
        (['model.pth', 'a.webm', '--grad-cam'], '--grad-cam needs --html'),
        (['model.pth', 'empty.webm'], 'none of the 1 clips can be read'),
    ],
)
def test_invalid_arguments_raise_errors(main, capsys, arguments, words):
    with pytest.raises(SystemExit) as error:
        main(*arguments)
    assert words in f'{error.value} {capsys.readouterr().err}'
