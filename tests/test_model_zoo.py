"""Each trained model of the metafiles is the described file and reproduces its accuracy."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config

from dyreg_mmaction.cli.launch import build_runner
from dyreg_mmaction.inference.runs import find_model

ROOT = Path(__file__).parents[1]
METAFILES = [yaml.safe_load((ROOT / path).read_text()) for path in
             yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']]  # fmt: skip
TRAINED = {model['Name']: model for metafile in METAFILES for model in metafile['Models'] if 'Weights' in model}
CLIPS = 100
LARGEST = 4 * 2**20  # bytes


@pytest.mark.parametrize('name', TRAINED)
def test_weights_are_the_described_file(name):
    model = TRAINED[name]
    weights = ROOT / model['Weights']
    assert model['Metadata']['SHA256'] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert weights.stat().st_size < LARGEST
    state = torch.load(weights, weights_only=True)['state_dict']
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}
    assert json.loads((ROOT / model['Training Log']).read_text())
    cfg, _, classes = find_model(weights)
    assert cfg.model == Config.fromfile(ROOT / model['Config']).model
    assert len(classes) == cfg.model.cls_head.num_classes


@pytest.mark.slow
@pytest.mark.parametrize('name', TRAINED)
def test_accuracy_on_100_clips_is_reproduced(name, tmp_path):
    model = TRAINED[name]
    cfg = Config.fromfile(ROOT / model['Config'])
    if 'MiniSomething' in cfg.test_dataloader.dataset.type:
        av = pytest.importorskip('av', reason='PyAV, which writes the clips, is not installed')
        from dyreg_mmaction.datasets.synthetic.mini_something.generator import generate_mini_something

        assert av
        generate_mini_something(tmp_path / 'data', num_train=1, num_val=CLIPS)
        cfg = Config.fromstring(
            cfg.pretty_text.replace(cfg.data_root, str(tmp_path / 'data')).replace("'decord'", "'pyav'"), '.py'
        )
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.indices = CLIPS
    cfg.update(work_dir=str(tmp_path / 'run'), load_from=str(ROOT / model['Weights']), log_level='WARNING')
    found = build_runner(cfg).test()
    (result,) = model['Results']
    assert 100 * found['acc/top1'] == pytest.approx(result['Metrics']['Top 1 Accuracy'], abs=1)
