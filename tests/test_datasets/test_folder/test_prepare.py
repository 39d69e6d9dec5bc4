"""Real video files of every kind, checked, split and listed."""

import os
import shutil
import sys

import pytest
from own_videos import BROKEN, add_sound, irregular_folder
from tool_runs import run
from video_cases import encode, run_ffmpeg

from dyreg_mmaction.datasets.folder import overview, prepare_videos, read_source, sided_classes, similar_classes
from dyreg_mmaction.datasets.folder.lists import read_splits
from dyreg_mmaction.datasets.synthetic import MiniSomething
from dyreg_mmaction.registry import DATASETS


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return irregular_folder(tmp_path_factory.mktemp('own') / 'my videos')


@pytest.fixture(scope='module')
def prepared(source, tmp_path_factory):
    before = snapshot(source)
    out = tmp_path_factory.mktemp('out')
    result = prepare_videos(read_source([source]), out)
    assert snapshot(source) == before  # nothing in the folder is modified
    return result, out


def snapshot(folder):
    return {
        (name := os.path.join(root, file)): (os.lstat(name).st_size, os.lstat(name).st_mtime_ns)
        for root, folders, files in os.walk(folder)
        for file in [*folders, *files]
    }


def test_broken_files_are_reported_and_others_are_used(prepared):
    result, _ = prepared
    problems = {name: facts.problem for name, facts in result.facts.items() if facts.problem}
    assert problems.keys() == BROKEN.keys()
    assert all(problems[name].startswith(start) for name, start in BROKEN.items())
    assert len(result.splits) == 11


def test_displayed_size_and_working_decoder(prepared):
    facts = prepared[0].facts
    assert facts['Drehen (ü, 日本)/rotated.mp4'][2:4] == (48, 64)
    assert facts['turn left/portrait.mov'][:4] == (20, 2.0, 48, 64)
    assert facts['Drehen (ü, 日本)/av1.mp4'].decoder == 'pyav'
    assert facts['Drehen (ü, 日本)/source.mp4'].decoder == 'decord'


def test_table_shows_classes_and_unreadable_files(prepared):
    result, _ = prepared
    lines = overview(result.listing.entries, result.facts, result.splits, result.classes).split('\n')
    assert lines[2].split() == ['single', '1', '1', '0', '2.0', '-', '2.0', '-', '2.0']
    assert lines[3].split()[-1] == '4'
    assert '  turn left/empty.mp4: empty' in lines


def test_mmaction2_reads_the_lists(prepared, source):
    result, out = prepared
    for split in ('train', 'val'):
        settings = dict(type='VideoDataset', ann_file=f'{out}/{split}.txt', data_prefix=dict(video=str(source)))
        dataset = DATASETS.build(dict(settings, delimiter='\t', pipeline=[]))
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        assert all(os.path.isfile(info['filename']) for info in infos)
        assert all(f'/{result.classes[info["label"]]}/' in info['filename'] for info in infos)


def test_only_new_files_are_checked(tmp_path, capsys):
    for label in ('cut', 'pour'):
        for number in range(3):
            (tmp_path / 'v' / label).mkdir(parents=True, exist_ok=True)
            encode(tmp_path / 'v' / label / f'{number}.mp4')
    prepare_videos(read_source([tmp_path / 'v']), tmp_path / 'out')
    before = read_splits(tmp_path / 'out/videos.csv')
    capsys.readouterr()
    shutil.copy(tmp_path / 'v/cut/1.mp4', tmp_path / 'v/cut/new.mp4')
    result = prepare_videos(read_source([tmp_path / 'v']), tmp_path / 'out')
    assert 'Checking videos: 1/1' in capsys.readouterr().err
    assert result.num_new == 1 and before.items() <= result.splits.items()


def test_single_readable_class_raises_an_error(tmp_path):
    for label in ('cut', 'pour'):
        (tmp_path / 'v' / label).mkdir(parents=True)
        encode(tmp_path / 'v' / label / 'a.mp4')
    (tmp_path / 'v/pour/a.mp4').write_text('broken')
    with pytest.raises(
        ValueError, match=r"are of class 'cut' \(1 unreadable, such as pour/a.mp4: undecodable.*two classes"
    ):
        prepare_videos(read_source([tmp_path / 'v']), tmp_path / 'out')


@pytest.mark.parametrize('paths', [['nothing'], ['.', 'x.csv'], ['x.csv', '--videos']])
def test_invalid_source_raises_an_error(tmp_path, paths):
    (tmp_path / 'x.csv').touch()
    videos = tmp_path / 'nowhere' if '--videos' in paths else None
    with pytest.raises((ValueError, FileNotFoundError), match='does not exist|pass one folder alone'):
        read_source([tmp_path / path for path in paths if path != '--videos'], videos)


@pytest.mark.slow
def test_lists_of_h264_videos_with_sound(tmp_path):
    made, videos = tmp_path / 'mini', tmp_path / 'mp4'
    run(sys.executable, 'tools/data/make_mini_something.py', str(made), '--train', '8', '--val', '8')
    videos.mkdir()
    for source in sorted((made / 'videos').glob('*.webm')):
        add_sound(videos / f'{source.stem}.mp4', encode_again(tmp_path / f'{source.stem}.mp4', source))
    for split in ('train', 'val'):
        text = (made / f'sthv2_{split}_list_videos.txt').read_text()
        (tmp_path / f'{split}.txt').write_text(text.replace('.webm', '.mp4'))
    classes = MiniSomething.METAINFO['classes']
    (tmp_path / 'classes.txt').write_text(''.join(f'{name}\n' for name in classes))
    listing = read_source([tmp_path / 'train.txt', tmp_path / 'val.txt'], videos)
    result = prepare_videos(listing, tmp_path / 'out')
    assert result.classes == [*classes] and not any(facts.problem for facts in result.facts.values())
    assert sorted(result.splits.values()) == ['train'] * 8 + ['val'] * 8
    assert {facts.codec for facts in result.facts.values()} == {'h264'}
    assert sided_classes(result.classes)


def encode_again(path, source):
    """Encode a video as H.264, which needs even sides."""
    even = 'scale=trunc(iw/2)*2:trunc(ih/2)*2'
    run_ffmpeg('-i', source, '-vf', even, '-c:v', 'libx264', '-pix_fmt', 'yuv420p', path)
    return path


def test_almost_equal_class_names_are_found():
    assert similar_classes(['Cut', 'cut ', 'pour', 'put-down', 'put down', '切る', '+', '-']) == [
        'Cut', 'cut ', 'put-down', 'put down',
    ]  # fmt: skip
