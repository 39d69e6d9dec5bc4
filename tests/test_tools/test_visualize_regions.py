"""tools/visualize_regions.py from the command line."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from dyreg_mmaction.datasets.mini_something.generator import generate_mini_something
from dyreg_mmaction.registry import MODELS

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/tsm_r18_dyreg_mini.py'


def run(*arguments, ok=True):
    command = [sys.executable, '-W', 'ignore', 'tools/visualize_regions.py', *map(str, arguments)]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    output = done.stdout + done.stderr
    assert (done.returncode == 0) is ok, output
    return output


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('mini')
    generate_mini_something(root / 'data', num_train=1, num_val=4)
    init_default_scope('mmaction')
    model = MODELS.build(Config.fromfile(str(ROOT / CONFIG)).model)
    torch.save(dict(state_dict=model.state_dict()), root / 'model.pth')
    torch.save(dict(state_dict={'other.weight': torch.ones(1)}), root / 'other.pth')
    plain = {name: value for name, value in model.state_dict().items() if '.plugins.' not in name}
    torch.save(dict(state_dict=plain), root / 'plain.pth')
    (root / 'text.pth').write_text('no checkpoint')
    (root / 'empty.webm').write_bytes(b'')
    return root


def options(root):
    return ['--cfg-options', f'val_dataloader.dataset.data_root={root}/data', '--device', 'cpu']


@pytest.mark.slow
def test_over_a_dataset_and_over_a_video(root, tmp_path):
    out = tmp_path / 'all'
    names = run(CONFIG, root / 'model.pth', '--dataset', 'val', '--num', 4, '--html', '--out', out, *options(root))
    assert 'report.html' in names and (out / 'report.html').stat().st_size > 50_000
    assert 'acting' in (out / 'report.html').read_text()  # MiniSomething's own boxes are found
    assert cv2.imread(str(out / 'regions.png')).shape[1] == 8 * 200
    # five rows of nine nodes at their start, and the same after: it is the untrained model
    means = cv2.imread(str(out / 'mean_regions.png'))
    assert (means[20:, :280] == means[20:, 284:564]).all()
    video = sorted((root / 'data/videos').iterdir())[0]
    out = tmp_path / 'one'
    run(CONFIG, root / 'model.pth', video, '--mp4', '--gif', '--style', 'kernel', '--nodes', 0, 8, '--out', out)
    assert sorted(path.name for path in out.iterdir()) == [
        f'000_{video.stem}.gif',
        f'000_{video.stem}.mp4',
        'regions.png',
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    'arguments, words',
    [
        (['model.pth', '--dataset', 'val', '--num', '0'], '--num 0 must be at least 1'),
        (['model.pth'], 'give either videos or --dataset'),
        (['no.pth', 'empty.webm'], 'no.pth'),
        (['text.pth', '--dataset', 'val'], 'cannot be loaded as a checkpoint'),
        (['other.pth', '--dataset', 'val'], 'holds nothing of this model'),
        (['plain.pth', '--dataset', 'val'], 'has no weights of the plugins'),
        (['model.pth', 'empty.webm'], 'empty.webm cannot be read as a video'),
        (['model.pth', 'no.webm'], 'no.webm does not exist'),
        (['model.pth', 'data'], 'is a folder, but the pipeline of this config reads video files'),
    ],
)
def test_mistakes_are_answered_in_one_sentence(root, tmp_path, arguments, words):
    named = [str(root / name) if (root / name).exists() or '.' in name else name for name in arguments]
    output = run(CONFIG, *named, '--out', tmp_path / 'out', *options(root), ok=False)
    assert words in output.splitlines()[-1]


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_to(root):
    output = run(CONFIG, root / 'model.pth', '--dataset', 'val', '--out', root / 'text.pth' / 'out', ok=False)
    assert 'cannot be written to' in output.splitlines()[-1]
