"""The demo: its checkpoint is the one that its files describe, and it draws a generated clip or a given one."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from video_cases import encode, run_ffmpeg

from dyreg_mmaction.datasets.synthetic.mini_something.generator import Clip, write_clip
from dyreg_mmaction.demo import CHECKPOINT, __main__
from dyreg_mmaction.inference.runs import find_model

av = pytest.importorskip('av')
ROOT = Path(__file__).parents[1]


def test_checkpoint_matches_its_description():
    about = json.loads(CHECKPOINT.with_name('checkpoint.json').read_text())
    content = CHECKPOINT.read_bytes()
    assert about['file'] == CHECKPOINT.name and about['sha256'] == hashlib.sha256(content).hexdigest()
    assert len(content) < 4 * 2**20
    log = json.loads(CHECKPOINT.with_name('log.json').read_text())
    assert log[-1]['acc/top1'] == about['test']['acc/top1']
    assert round(log[-1]['object/dist_acting'], 4) == about['test']['object/dist_acting']


def test_checkpoint_has_its_training_config():
    cfg, _, classes = find_model(CHECKPOINT)
    config = json.loads(CHECKPOINT.with_name('checkpoint.json').read_text())['config']
    assert cfg.model == Config.fromfile(ROOT / config).model and len(classes) == cfg.model.cls_head.num_classes


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['demo', *map(str, arguments), '--out', str(tmp_path / 'out')])
        __main__.main()
        return capsys.readouterr().out.splitlines()

    return run


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]


@pytest.mark.parametrize('clip', [2, 5])
def test_clip_is_generated_predicted_correctly_and_drawn(clip, run, tmp_path):
    lines = run('--clips', clip)
    label = lines[0].partition(':')[0]
    assert lines[1].startswith(f'{label} (0.')
    (source,) = (tmp_path / 'out').glob('*.webm')
    drawn, plain = frames_of(source.with_name(f'{source.stem}_predicted.mp4')), frames_of(source)
    assert len(drawn) == pytest.approx(len(plain), abs=1)
    height, width = plain[0].shape[:2]
    assert drawn[0].shape[:2] == (height + 22, width + width % 2)
    assert np.abs(drawn[0][22:, :width].astype(int) - plain[0]).max() > 100
    assert (tmp_path / 'out/demo.jpg').stat().st_size > 10_000


def test_non_video_raises_an_error(run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path / 'none.mp4')
    assert 'none.mp4 is not a file; pass a video file' in capsys.readouterr().err
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(SystemExit, match=r'text\.mp4 cannot be read as a video'):
        run(tmp_path / 'text.mp4')


def test_exported_clip_with_sound_is_predicted_correctly(run, tmp_path):
    clip = Clip(__main__.SEED, 'validation', 2)
    write_clip(tmp_path, clip)
    even = ('-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2', '-pix_fmt', 'yuv420p')
    sound = ('-f', 'lavfi', '-i', 'sine=duration=9', '-c:a', 'aac', '-shortest')
    run_ffmpeg('-i', tmp_path / f'{clip.id}.webm', *sound, '-c:v', 'libx264', *even, tmp_path / 'with sound.MP4')
    (line,) = [line for line in run(tmp_path / 'with sound.MP4') if line.endswith(' s')]
    assert line.startswith(f'{clip.action.label} (')


def test_long_video_is_split_into_windows(run, tmp_path):
    lines = run(encode(tmp_path / 'my video.mp4', size='96x72', frames=70))
    assert [line.rpartition(': ')[2] for line in lines if line.endswith(' s')] == [
        '0.0 to 3.0 s', '1.5 to 4.5 s', '3.0 to 6.0 s', '4.5 to 7.0 s',
    ]  # fmt: skip
    assert (tmp_path / 'out/my video_predicted.mp4').exists()


@pytest.mark.slow
def test_module_runs_from_any_folder(tmp_path):
    command = [sys.executable, '-W', 'ignore', '-m', 'dyreg_mmaction.demo']
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0 and 'demo/100003_predicted.mp4' in run.stdout, run.stderr
