"""From folders of real videos to a report: the whole command, and every command of docs/guides/own_videos.md."""

import csv
import re
import shlex
import shutil
import signal
import sys
from pathlib import Path

import pytest
from own_videos import BROKEN, irregular_folder
from tool_runs import ROOT, run, start, wait_for
from video_cases import encode, run_ffmpeg

from dyreg_mmaction.cli.folder import output_folder, parse_args

CLIPS = ROOT.parent / 'shared/data/clips'
SHORT = ('--model', 'r18', '--frames', '4', '--epochs', '2', '--batch-size', '1')


def train_folder(*arguments, **options):
    return run(sys.executable, 'tools/train_folder.py', *map(str, arguments), **options)


def predict(*arguments):
    return run(sys.executable, 'tools/predict.py', *map(str, arguments))


def predictions(run_dir: Path) -> list[dict]:
    with (run_dir / 'predictions.csv').open(encoding='utf-8', newline='') as file:
        return [*csv.DictReader(file)]


@pytest.fixture(scope='module')
def irregular(tmp_path_factory):
    """Folder, output folder and printed text of a run on an irregular folder."""
    folder = irregular_folder(tmp_path_factory.mktemp('own videos') / 'my videos')
    before = sorted(folder.rglob('*'))
    output = train_folder(folder, *SHORT, '--balance')
    assert sorted(folder.rglob('*')) == before
    return folder, folder.with_name('my videos_dyreg'), output


@pytest.mark.slow
def test_irregular_folder_gives_a_report(irregular):
    _, out, output = irregular
    assert all(f'  {name}: {problem}' in output for name, problem in BROKEN.items())
    assert "no horizontal flips: class names have sides, such as 'turn left'" in output
    assert 'unbalanced: the largest class has 5.0 times' in output and 'they are weighted' in output
    assert 'decoder: PyAV' in output
    assert re.search(r'held-out accuracy: [01]\.\d+ \(\d of 2 videos\)', output)
    page = (out / 'run_1/report/report.html').read_text(encoding='utf-8')
    assert 'one two.MP4' in page and 'av1.mp4' in page
    assert {row['class'] for row in predictions(out / 'run_1')} == {'turn left', 'Drehen (ü, 日本)'}


@pytest.mark.slow
def test_second_run_does_nothing_and_a_new_video_starts_a_run(irregular):
    folder, out, _ = irregular
    written = (out / 'run_1/report/report.html').stat().st_mtime_ns
    again = train_folder(folder, *SHORT, '--balance')
    assert 'neither videos nor options have changed' in again and 'Epoch(train)' not in again
    assert (out / 'run_1/report/report.html').stat().st_mtime_ns == written and not (out / 'run_2').exists()
    shutil.copy(folder / 'single/the only one.m4v', folder / 'single/another one.m4v')
    process = start(sys.executable, 'tools/train_folder.py', str(folder), *SHORT, '--balance')
    seen = wait_for(process, 'Saving checkpoint at 1 epochs')
    assert '1 videos are new; the others keep their splits' in seen
    process.send_signal(signal.SIGTERM)
    rest = process.communicate()[0]
    assert 'interrupted: the same command continues from here' in rest
    last = train_folder(folder, *SHORT, '--balance')
    assert f'training in {out / "run_2"}, continued' in last and 'Resuming from' in last
    assert len(predictions(out / 'run_2')) == 3


@pytest.mark.slow
def test_the_run_predicts_other_videos(irregular, tmp_path):
    """The command of the docs; predictions of the held-out videos are those of the test."""
    _, out, _ = irregular
    video, rows = encode(tmp_path / 'new video.mp4'), predictions(out / 'run_1')
    printed = predict(out / 'run_1', video, *(row['path'] for row in rows))
    first, *lines = [line.split('\t') for line in printed.splitlines() if '\t' in line]
    assert first[:3] == [str(video), '0.000', '2.000'] and 0 <= float(first[4]) <= 1
    assert first[3] in (out / 'classes.txt').read_text(encoding='utf-8').splitlines()
    for (name, _, _, label, score), row in zip(lines, rows, strict=True):
        assert (name, label) == (row['path'], row['predicted'])
        assert float(score) == pytest.approx(float(row['score']), abs=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(not CLIPS.is_dir(), reason=f'{CLIPS} is missing: real videos are not tested')
def test_classes_of_real_videos_are_learned(tmp_path):
    for name, length in (('flipping_a_pancake.mkv', 0.8), ('nasa_13013.mp4', 1.0)):
        folder = tmp_path / 'videos' / Path(name).stem
        folder.mkdir(parents=True)
        for number in range(12):
            piece = folder / f'part {number}.MP4'
            streams = ('-map', '0:v:0', '-map', '0:a:0', '-vf', 'scale=-2:480', '-c:v', 'libx264', '-c:a', 'aac')
            run_ffmpeg('-ss', number * length, '-t', length, '-i', CLIPS / name, *streams, piece)
    output = train_folder(tmp_path / 'videos', '--model', 'r18', '--epochs', 6, '--out', tmp_path / 'out')
    assert 'large videos: training reads copies' in output and len([*tmp_path.glob('out/small_128/*.mp4')]) == 20
    rows = predictions(tmp_path / 'out/run_1')
    assert len(rows) == 4 and all(row['class'] == row['predicted'] for row in rows)


@pytest.fixture
def documented(tmp_path):
    """Files that docs/guides/own_videos.md mentions."""
    for label in ('cut', 'pour'):
        for day in (1, 2):
            folder = tmp_path / 'my_videos' / label / f'day {day}'
            folder.mkdir(parents=True)
            for part in range(5):
                encode(folder / f'day{day}_{part}.mp4')
    names = [path.relative_to(tmp_path / 'my_videos') for path in sorted((tmp_path / 'my_videos').rglob('*.mp4'))]
    (tmp_path / 'my_labels.csv').write_text(''.join(f'{name},{name.parts[0]}\n' for name in names))
    for split, chosen in (('train', names[1:-1]), ('val', [names[0], names[-1]])):
        lines = [f'{name} {int(name.parts[0] == "pour")}\n' for name in chosen]
        (tmp_path / f'my_{split}_list.txt').write_text(''.join(lines))
    return tmp_path


@pytest.mark.slow
def test_commands_of_the_docs_prepare_a_training(documented):
    """All commands up to training, which is the same for all and tested above."""
    text = (ROOT / 'docs/guides/own_videos.md').read_text(encoding='utf-8')
    lines = [line for block in re.findall(r'```shell\n(.*?)```', text, re.S) for line in block.splitlines()]
    lines.remove('python tools/predict.py my_videos_dyreg/run_1 new_video.mp4')  # below
    assert len(lines) >= 6
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[:2] == ['python', 'tools/train_folder.py']
        paths = [str(documented / word) if word.startswith('my_') else word for word in words[2:]]
        output = train_folder(*paths, '--only-prepare', '--out', documented / f'out_{lines.index(line)}')
        assert 'wrote' in output and re.search(r'all +20 ', output), output
        assert (documented / f'out_{lines.index(line)}/config.py').is_file()


@pytest.mark.parametrize('source, out', [('day.1', 'day.1_dyreg'), ('day.2/', 'day.2_dyreg'), ('a.b.csv', 'a.b_dyreg')])
def test_output_folder_has_the_name_of_the_source(source, out, tmp_path, monkeypatch):
    for name in ('day.1', 'day.2'):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(sys, 'argv', ['folder', str(tmp_path / source)])
    assert output_folder(parse_args()) == tmp_path / out


def test_files_of_the_user_are_not_overwritten(tmp_path, monkeypatch):
    """Lists in the output folder have the names of those that the command writes, which also deletes test.txt."""
    out, labels = tmp_path / 'lists', tmp_path / 'lists/videos.csv'
    out.mkdir()
    (out / 'test.txt').touch()
    (tmp_path / 'videos').mkdir()
    monkeypatch.setattr(sys, 'argv', ['folder', str(tmp_path / 'videos'), '--out', str(out)])
    with pytest.raises(ValueError, match='has a file test.txt that would be overwritten; choose another folder'):
        output_folder(parse_args())
    (out / 'checked.tsv').touch()  # of an earlier call
    assert output_folder(parse_args()) == out
    labels.touch()
    monkeypatch.setattr(sys, 'argv', ['folder', str(labels), '--out', str(out)])
    with pytest.raises(ValueError, match='has a file videos.csv that would be overwritten'):
        output_folder(parse_args())


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nowhere'], 'nowhere does not exist; pass a folder of videos'),
        (['.'], 'has no videos; it must have a sub-folder for each class'),
        (['nowhere.mp4'], 'nowhere.mp4 does not exist'),
        (['./video.mp4'], 'video.mp4 is a video; pass a folder with a sub-folder for each class'),
        (['.', '--out', './inside'], 'which is never changed; choose another folder'),
    ],
)
def test_invalid_arguments_raise_errors(tmp_path, arguments, message):
    if 'video' in arguments[0]:
        (tmp_path / 'video.mp4').touch()
    arguments = [str(tmp_path / word) if word[0] in './n' else word for word in arguments]
    output = train_folder(*arguments, check=False)
    assert message in output and 'Traceback' not in output and len(output.strip().splitlines()) == 1


def test_report_of_no_clips_raises_an_error(tmp_path):
    assert '--report-clips 0 must be positive' in train_folder(tmp_path, '--report-clips', '0', check=False)
