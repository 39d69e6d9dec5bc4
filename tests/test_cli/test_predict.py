"""Main function of tools/predict.py."""

import csv
import io
import json
import pickle
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image
from stream_servers import send_slowly, serve

from dyreg_mmaction.cli import predict, test
from dyreg_mmaction.datasets.video import read_frames
from dyreg_mmaction.registry import MODELS

av = pytest.importorskip('av')
CONFIG = Path(__file__).parents[2] / 'configs/tsm_r18_dyreg_mini.py'
CLASSES = [f'class "{letter}", ä' for letter in 'abcdefgh']


def write(path, frames, rate=10, times=None, rotated=False):
    """Write lossless H.264, optionally with frame times in 1 / rate."""
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=rate, options=dict(qp='0', bf='0'))
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], 'yuv420p'
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format='rgb24')
            frame.pts, frame.time_base = number if times is None else times[number], Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def moving(num_frames, height=72, width=96):
    rng = np.random.default_rng(num_frames)
    frames = np.zeros((num_frames, height, width, 3), np.uint8) + rng.integers(0, 255, (height, width, 1), np.uint8)
    for t, frame in enumerate(frames):
        frame[10:40, t % 60 : t % 60 + 30] = rng.integers(0, 255, 3)
    return frames


@pytest.fixture(scope='module')
def run_dir(tmp_path_factory):
    """Work dir of a training with a model whose scores differ between videos."""
    folder = tmp_path_factory.mktemp('the run')
    init_default_scope('mmaction')
    torch.manual_seed(0)
    cfg = Config.fromfile(CONFIG)
    model = MODELS.build(cfg.model)
    with torch.no_grad():
        model.cls_head.fc_cls.weight.mul_(100)
    meta = dict(cfg=cfg.pretty_text, dataset_meta=dict(classes=CLASSES))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), folder / 'epoch_1.pth')
    (folder / 'last_checkpoint').write_text('/moved/since/epoch_1.pth')
    cfg.dump(folder / 'config.py')
    return folder


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('my videos')
    write(folder / 'long one.MP4', moving(45))
    write(folder / 'inside/portrait.mov', moving(12, 96, 72), rate=30)
    write(folder / 'inside/single.mkv', moving(1))
    write(folder / 'variable.mp4', moving(10), times=[0, 1, 2, 3, 4, 5, 8, 11, 14, 17])
    return folder


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the tool. Return the printed rows, and those written to a folder."""

    def run(*arguments, out=True):
        folder = tmp_path / 'out'
        options = ['--out', str(folder)] if out else []
        monkeypatch.setattr(sys, 'argv', ['predict', *map(str, arguments), '--device', 'cpu', *options])
        predict.main()
        lines = [line.split('\t') for line in capsys.readouterr().out.splitlines() if '\t' in line]
        if not out:
            return lines
        with open(folder / 'predictions.csv', newline='', encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
        tree = json.loads((folder / 'predictions.json').read_text(encoding='utf-8'))
        assert len(lines) == len(rows) == len(tree)
        for row, entry in zip(rows, tree, strict=True):
            assert list(row.values()) == [str(entry[key]) for key in predict.COLUMNS]
        return tree

    return run


def test_videos_of_a_folder_with_the_config_of_a_run(run, run_dir, videos):
    rows = run(run_dir, videos)
    assert {Path(row['video']).name: row['end'] for row in rows} == {
        'long one.MP4': 4.5,
        'portrait.mov': 0.4,
        'single.mkv': pytest.approx(0.1, abs=0.05),
        'variable.mp4': pytest.approx(1.8, abs=0.25),
    }
    assert all(row['start'] == 0 and row['class'] == CLASSES[row['label']] for row in rows)
    assert all(
        [one['score'] for one in row['top']] == sorted((one['score'] for one in row['top']), reverse=True)
        for row in rows
    )


def test_windows_with_the_config_in_a_checkpoint(run, run_dir, videos):
    rows = run(run_dir / 'epoch_1.pth', videos / 'long one.MP4', '--window', 2, '--stride', 1, '--regions', '--top', 3)
    assert [(row['start'], row['end']) for row in rows] == [(0, 2), (1, 3), (2, 4), (3, 4.5)]
    for row in rows:
        (found,) = row['regions'].values()
        assert np.shape(found['center']) == np.shape(found['half_size']) == (8, 9, 2)
        assert row['start'] <= found['times'][0] < found['times'][-1] < row['end'] and len(row['top']) == 3


@pytest.mark.slow
def test_window_is_predicted_as_by_the_test_tool(run, run_dir, tmp_path, monkeypatch):
    """https://github.com/open-mmlab/mmaction2/issues/2890: a demo and the test differ."""
    frames = moving(45)
    video = write(tmp_path / 'video.mp4', frames)
    rows = run(run_dir, video, '--window', 2, '--stride', 1, '--top', 8)
    pieces = [write(tmp_path / f'{first}.mp4', frames[first : first + 20]) for first in (0, 10, 20, 30)]
    (tmp_path / 'list.txt').write_text(''.join(f'{piece.name} 0\n' for piece in pieces))
    dataset = "dict(type='VideoDataset', ann_file='list.txt', data_root='.', data_prefix=dict(video=''), test_mode=True"
    (tmp_path / 'config.py').write_text(
        f'_base_ = {str(CONFIG)!r}\ntest_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict('
        f'_delete_=True, pipeline={{{{_base_.test_pipeline}}}}, **{dataset})))\n'
    )
    monkeypatch.chdir(tmp_path)
    arguments = ['config.py', str(run_dir / 'epoch_1.pth'), '--dump', 'scores.pkl', '--work-dir', 'work']
    monkeypatch.setattr(sys, 'argv', ['test', *arguments])
    test.main()
    dumped = pickle.loads(Path('scores.pkl').read_bytes())
    for row, sample in zip(rows, dumped, strict=True):
        scores = sample['pred_score'].softmax(0) if sample['pred_score'].min() < 0 else sample['pred_score']
        found = {entry['label']: entry['score'] for entry in row['top']}
        np.testing.assert_allclose([found[label] for label in range(8)], scores, atol=2e-6)
    assert len({row['score'] for row in rows}) == 4


@pytest.mark.parametrize('options', [['--window', 2, '--stride', 1], ['--window', 0.5, '--stride', 2], []])
def test_drawn_video_has_the_same_number_of_frames(options, run, run_dir, videos, tmp_path):
    run(run_dir, videos / 'long one.MP4', videos / 'variable.mp4', '--draw', *options)
    for name, duration in (('long one', 4.5), ('variable', 1.8)):
        with av.open(str(tmp_path / f'out/{name}_predicted.mp4')) as container:
            frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
        assert len(frames) == pytest.approx(10 * duration, abs=2.5)
        assert frames[0].shape == (94, 96, 3)  # with a line of text
        assert np.ptp(frames[0][30:].astype(int), axis=-1).max() > 100  # colored boxes on gray


def test_other_table_is_not_overwritten(tmp_path):
    table = tmp_path / 'predictions.csv'
    for text in ('', ','.join(predict.COLUMNS) + '\n'):
        table.write_text(text)
        predict.create_output(tmp_path)
    table.write_text('path,class,predicted,score\n')  # of the held-out videos in the run of own videos
    with pytest.raises(ValueError, match='is another table and would be overwritten'):
        predict.create_output(tmp_path)


def test_drawn_video_replaces_no_input(tmp_path):
    taken = {(tmp_path / name).resolve() for name in ('x.mp4', 'x_predicted.mp4')}
    names = [predict.drawn_path(tmp_path, str(tmp_path / 'x.mp4'), taken).name for _ in range(2)]
    assert names == ['x_2_predicted.mp4', 'x_3_predicted.mp4']


def test_folder_of_frames_is_predicted_like_a_video(run, run_dir, tmp_path):
    video, folder = write(tmp_path / 'video.mp4', moving(25)), tmp_path / 'frames/clip 1'
    folder.mkdir(parents=True)
    for number, (_, frame) in enumerate(read_frames(video)):
        Image.fromarray(frame).save(folder / f'img_{number + 7}.png')
    options = ('--window', 1, '--fps', 10, '--draw')
    rows = run(run_dir, tmp_path / 'frames', *options)
    assert [(row['start'], row['end']) for row in rows] == [(0, 1), (1, 2), (2, 2.5)]
    assert (tmp_path / 'out/clip 1_predicted.mp4').exists()
    for row, other in zip(rows, run(run_dir, video, *options), strict=True):
        assert row['label'] == other['label'] and row['score'] == pytest.approx(other['score'], abs=1e-5)
    (folder / 'img_7.png').write_bytes(b'')
    with pytest.raises(SystemExit, match='1 of 1 videos cannot be read'):
        run(run_dir, tmp_path / 'frames')


def test_stream_is_predicted_and_drawn_while_it_runs(run, run_dir, videos, tmp_path, monkeypatch):
    content = write(tmp_path / 'video.ts', moving(45)).read_bytes()
    monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(io.BytesIO(content)))
    rows = run(run_dir, '-', '--draw')
    assert [(row['video'], row['start'], row['end']) for row in rows] == [
        ('-', start, pytest.approx(end, abs=2e-3)) for start, end in ((0, 2), (1, 3), (2, 4), (3, 4.5))
    ]
    with av.open(str(tmp_path / 'out/live_predicted.mp4')) as container:
        assert len(list(container.decode(video=0))) == pytest.approx(25 * 4.5, abs=3)


def test_network_stream_is_predicted_while_it_runs(run, run_dir, tmp_path):
    path = write(tmp_path / 'video.ts', moving(45))
    with serve(send_slowly(path, seconds=2)) as address:
        rows = run(run_dir, f'tcp://{address}', '--window', 1)
    assert [row['start'] for row in rows] == [0, 1, 2, 3, 4]
    expected = run(run_dir, path, '--window', 1)
    assert [row['score'] for row in rows] == pytest.approx([row['score'] for row in expected], abs=1e-5)


def test_disconnected_camera_raises_an_error(run, run_dir, capsys):
    with pytest.raises(SystemExit, match='1 of 1 videos cannot be read'):
        run(run_dir, '99')
    (line,) = [line for line in capsys.readouterr().err.splitlines() if 'camera' in line]
    assert line.startswith('camera 99 (') and line.endswith('pass the number of a connected camera')


def test_interrupted_stream_keeps_its_rows(run, run_dir, tmp_path, monkeypatch):
    stock = predict.WindowPredictor.__call__

    def interrupted(self, *arguments):
        for count, prediction in enumerate(stock(self, *arguments)):
            if count == 2:
                raise KeyboardInterrupt
            yield prediction

    monkeypatch.setattr(predict.WindowPredictor, '__call__', interrupted)
    content = write(tmp_path / 'video.ts', moving(45)).read_bytes()
    monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(io.BytesIO(content)))
    assert len(run(run_dir, '-', '--draw')) == 2 and (tmp_path / 'out/live_predicted.mp4').exists()


def test_damaged_videos_are_reported_and_others_predicted(run, run_dir, videos, tmp_path, capsys):
    broken = tmp_path / 'broken.mp4'
    broken.write_bytes((videos / 'long one.MP4').read_bytes()[:2000])
    with pytest.raises(SystemExit, match='1 of 2 videos cannot be read'):
        run(run_dir, broken, videos / 'long one.MP4')
    printed = capsys.readouterr()
    assert 'broken.mp4 cannot be read' in printed.err and 'long one.MP4\t0.000\t4.500' in printed.out
    assert len(json.loads((tmp_path / 'out/predictions.json').read_text(encoding='utf-8'))) == 1


def test_class_names_option(run, run_dir, videos, tmp_path):
    (tmp_path / 'names.txt').write_text('\n'.join('ABCDEFGH'))
    ((_, _, _, name, _),) = run(run_dir, videos / 'inside/single.mkv', '--labels', tmp_path / 'names.txt', out=False)
    assert name in 'ABCDEFGH'


def test_best_checkpoint_is_preferred_and_weights_need_a_config(run, run_dir, videos, tmp_path):
    from dyreg_mmaction.inference.runs import find_model

    state = torch.load(run_dir / 'epoch_1.pth', weights_only=True)
    for name in ('best_acc_top1_epoch_3.pth', 'weights.pth'):
        torch.save(dict(state_dict=state['state_dict']), tmp_path / name)
    (tmp_path / 'config.py').write_text((run_dir / 'config.py').read_text())
    assert find_model(tmp_path)[1].name == 'best_acc_top1_epoch_3.pth'
    with pytest.raises(SystemExit, match='has no config; pass the one it was trained with by --config'):
        run(tmp_path / 'weights.pth', videos)
    (line,) = run(tmp_path / 'weights.pth', videos / 'variable.mp4', '--config', CONFIG, out=False)
    assert line[3].startswith('Moving something')  # as the dataset of the config knows


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['{run}', 'none.mp4'], 'none.mp4 does not exist'),
        (['{run}', '{empty}'], 'has neither videos (.mp4, .mkv, .avi, ...) nor numbered frames'),
        (['{run}', '{videos}', '--fps', '0'], 'fps is 0.0, but must be positive'),
        (['none.pth', '{videos}'], 'checkpoint none.pth does not exist'),
        (['{empty}', '{videos}'], 'has no checkpoint; pass the work dir of a training'),
        (['{run}', '{videos}', '--stride', '1'], '--stride 1.0 needs --window'),
        (['{run}', '{videos}', '--window', '-1'], 'window is -1.0, but must be above 0 seconds'),
        (['{run}', '{videos}', '--draw'], 'need --out'),
    ],
)
def test_invalid_arguments_raise_errors(arguments, words, run, run_dir, videos, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    places = dict(run=run_dir, videos=videos, empty=tmp_path / 'empty')
    with pytest.raises(SystemExit) as error:
        run(*(argument.format(**places) for argument in arguments), out=False)
    assert words in f'{error.value} {capsys.readouterr().err}'
