"""README.md is short, its commands exist, and the Python code of the guides on inference runs."""

import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config

import dyreg_mmaction  # noqa: F401

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
GUIDES = ''.join((ROOT / f'docs/guides/{name}.md').read_text() for name in ('inference', 'export'))
# a smaller model than that of the guides
SMALLER = {
    "'configs/tsm_r50_dyreg_sthv2.py'": repr(str(ROOT / 'configs/tsm_r18_dyreg_mini.py')),
    'layer3.4.conv2.conv': 'layer1.1.conv2.conv',
}


def blocks(language, text=README):
    return re.findall(rf'```{language}\n(.*?)```', text, re.S)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Folder with the files that the guides mention."""
    folder = tmp_path_factory.mktemp('readme')
    frames = np.random.default_rng(0).integers(0, 255, (16, 72, 96, 3), np.uint8)
    writer = cv2.VideoWriter(str(folder / 'video.mp4'), cv2.VideoWriter.fourcc(*'mp4v'), 10, (96, 72))
    (folder / 'frames').mkdir()
    for number, frame in enumerate(frames, start=1):
        writer.write(frame)
        cv2.imwrite(str(folder / f'frames/{number:05}.jpg'), frame)
    writer.release()
    model = init_recognizer(str(ROOT / 'configs/tsm_r18_dyreg_mini.py'), device='cpu')
    torch.save(dict(state_dict=model.state_dict(), meta=dict()), folder / 'checkpoint.pth')
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('code', blocks('python', GUIDES))
def test_python_runs(code, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for old, new in SMALLER.items():
        code = code.replace(old, new)
    exec(code, {})
    printed = capsys.readouterr().out
    assert 'print' not in code or printed


def test_readme_has_at_most_150_lines():
    assert len(README.splitlines()) <= 150


def test_readme_has_the_test_command():
    assert 'bash tools/run_tests.sh' in README and 'under 10 minutes' in README


@pytest.mark.parametrize('page', ['README.md', 'docs/guides/add_to_your_model.md'])
def test_three_lines_are_a_config(page):
    (config,) = blocks('python', (ROOT / page).read_text())
    assert Config.fromstring(config, '.py').model.backbone.type == 'DyRegResNetTSM'


def test_backbones_are_registered():
    from dyreg_mmaction.registry import MODELS

    names = re.findall(r'`(DyReg\w+)`', README)
    assert len(names) >= 5 and all(MODELS.get(name) for name in names)


@pytest.mark.parametrize(
    'line', sorted({line for code in blocks('shell') for line in code.splitlines() if 'tools/' in line})
)
def test_commands_have_existing_tools_and_options(line):
    command = line.partition('#')[0]
    named = re.findall(r'(?<!\S)(?:\.\./)*(?:tools|configs)/\S+\.(?:py|sh)', command)
    folder = ROOT / 'configs/multisyncmnist/reduced' if '../tools' in command else ROOT
    paths = [Path(os.path.normpath(folder / path)) for path in named]
    assert paths and all(path.is_file() for path in paths), paths
    modules = re.findall(r'from dyreg_mmaction\.(cli\.\w+) import main', paths[0].read_text())
    files = [
        paths[0],
        *(ROOT / f'dyreg_mmaction/{name.replace(".", "/")}.py' for name in ('cli.launch', 'cli.clips', *modules)),
    ]
    source = ''.join(file.read_text() for file in files)
    for option in re.findall(r'--[a-z-]+', line):
        assert paths[0].suffix == '.sh' or option in source, option
