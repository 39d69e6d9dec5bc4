import json
import os
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DefaultScope

from dyreg_mmaction.datasets.something.lists import V1, V2, prepare
from dyreg_mmaction.datasets.video.writers import write_video
from dyreg_mmaction.registry import DATASETS

TOOLS = Path(__file__).parents[3] / 'tools/data'
TEMPLATES = ['Moving [something] up', 'Showing [something] behind [something]']
VIDEOS = {'train': {'10': 0, '11': 1, '12': 0}, 'validation': {'20': 1, '21': 0}}
TRAIN_LIST = '10.webm 0\n11.webm 1\n12.webm 0\n'
VAL_LIST = '20.webm 1\n21.webm 0\n'


@pytest.fixture
def tool(monkeypatch):
    def run(*args):
        path = TOOLS / 'prepare_something.py'
        monkeypatch.setattr(sys, 'argv', [str(path), *map(str, args)])
        runpy.run_path(str(path), run_name='__main__')

    return run


def noise(seed, num_frames=20):
    return np.random.default_rng(seed).integers(0, 255, (num_frames, 48, 64, 3)).astype(np.uint8)


@pytest.fixture
def v2(tmp_path):
    root = tmp_path / 'sthv2'
    (root / 'labels').mkdir(parents=True)
    (root / 'videos').mkdir()
    numbers = {'Moving something up': '0', 'Showing something behind something': '1'}
    (root / 'labels/labels.json').write_text(json.dumps(numbers))
    for split, videos in VIDEOS.items():
        entries = [
            dict(id=video, label='moving a cup up', template=TEMPLATES[label], placeholders=['a cup'])
            for video, label in videos.items()
        ]
        (root / f'labels/{split}.json').write_text(json.dumps(entries))
        for video in videos:
            write_video(root / f'videos/{video}.webm', noise(int(video)), fps=12)
    return root


@pytest.fixture
def v1(tmp_path):
    root = tmp_path / 'sthv1'
    (root / 'labels').mkdir(parents=True)
    labels = ['Moving something up', 'Pretending to be tearing "something that is not tearable"']
    (root / 'labels/something-something-v1-labels.csv').write_text('\n'.join(labels))
    for split, videos in VIDEOS.items():
        lines = [f'{video};{labels[label]}\n' for video, label in videos.items()]
        (root / f'labels/something-something-v1-{split}.csv').write_text(''.join(lines))
        for video in videos:
            (root / f'rawframes/{video}').mkdir(parents=True)
            for number, frame in enumerate(noise(int(video), int(video)), start=1):
                cv2.imwrite(str(root / f'rawframes/{video}/{number:05}.jpg'), frame)
    return root


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def break_videos(root):
    (root / 'videos/10.webm').unlink()
    (root / 'videos/11.webm').write_bytes(b'')
    cut(root / 'videos/12.webm', 0.6)
    (root / 'videos/20.webm').write_text('<html>404</html>')


@pytest.mark.parametrize('fast', [True, False])
@pytest.mark.parametrize('workers', [1, 2])
def test_v2_lists_have_videos_and_labels(v2, fast, workers):
    train, val = prepare(V2, v2, fast=fast, workers=workers)
    assert (train, val) == (v2 / 'sthv2_train_list_videos.txt', v2 / 'sthv2_val_list_videos.txt')
    assert train.read_text() == TRAIN_LIST
    assert val.read_text() == VAL_LIST
    assert not (v2 / 'sthv2_broken.txt').exists()


def test_v2_labels_with_mmaction2s_names_and_another_media_folder(v2, tmp_path):
    (v2 / 'labels').rename(v2 / 'annotations')
    for path in list((v2 / 'annotations').iterdir()):
        path.rename(path.with_name(f'something-something-v2-{path.name}'))
    (v2 / 'videos').rename(tmp_path / '20bn-something-something-v2')
    train, _ = prepare(V2, v2, media=tmp_path / '20bn-something-something-v2', fast=True)
    assert train.read_text() == TRAIN_LIST


def test_v1_lists_are_read_by_mmaction2(v1):
    train, val = prepare(V1, v1)
    assert train == v1 / 'sthv1_train_list_rawframes.txt'
    assert train.read_text() == '10 10 0\n11 11 1\n12 12 0\n'
    assert val.read_text() == '20 20 1\n21 21 0\n'
    pipeline = [dict(type='SampleFrames', clip_len=1, num_clips=4, test_mode=True), dict(type='RawFrameDecode')]
    config = dict(type='RawframeDataset', ann_file=str(val), data_prefix=dict(img=str(v1 / 'rawframes')))
    with DefaultScope.overwrite_default_scope('mmaction'):
        sample = DATASETS.build({**config, 'pipeline': pipeline, 'filename_tmpl': '{:05}.jpg'})[1]
    assert (len(sample['imgs']), sample['imgs'][0].shape, sample['label']) == (4, (48, 64, 3), 0)


def test_broken_videos_are_listed_and_no_list_is_written(v2):
    break_videos(v2)
    counts = r'4 of 5 videos cannot be used \(1 \w+, 1 \w+, 1 \w+, 1 \w+\)'
    with pytest.raises(ValueError, match=rf'{counts}; they are listed in .*sthv2_broken.txt; .*--drop-broken'):
        prepare(V2, v2)
    report = dict(line.split('\t') for line in (v2 / 'sthv2_broken.txt').read_text().splitlines())
    assert list(report) == ['10.webm', '11.webm', '12.webm', '20.webm']
    assert report['10.webm'] == 'missing' and report['11.webm'] == 'empty'
    assert report['12.webm'].startswith('truncated: ') and report['12.webm'].endswith(' of about 20 frames')
    assert report['20.webm'].startswith('undecodable: ')
    assert not list(v2.glob('*_list_*'))


def test_broken_videos_can_be_dropped(v2, capsys):
    break_videos(v2)
    write_video(v2 / 'videos/10.webm', noise(10), fps=12)
    train, val = prepare(V2, v2, drop_broken=True)
    assert (train.read_text(), val.read_text()) == ('10.webm 0\n', '21.webm 0\n')
    assert '3 of 5 videos cannot be used' in capsys.readouterr().out


def test_list_without_videos_is_not_written(tool, v2):
    break_videos(v2)
    with pytest.raises(
        SystemExit, match='error: .*sthv2_train_list_videos.txt would be empty because no video in .*videos'
    ):
        tool('v2', v2, '--drop-broken')
    assert not list(v2.glob('*_list_*'))


def test_video_of_one_frame_can_be_used(v2):
    write_video(v2 / 'videos/10.webm', noise(0, num_frames=1), fps=12)
    assert prepare(V2, v2)[0].read_text() == TRAIN_LIST


def test_misnamed_frames_are_reported(v1):
    for video in VIDEOS['train']:
        for frame in (v1 / 'rawframes' / video).iterdir():
            frame.rename(frame.with_name(frame.name[1:]))
    with pytest.raises(ValueError, match='3 of 5 videos cannot be used .3 misnamed'):
        prepare(V1, v1)
    assert '10\tmisnamed: 0001.jpg should be 00001.jpg\n' in (v1 / 'sthv1_broken.txt').read_text()


@pytest.mark.parametrize(
    'name, text, fault',
    [
        ('train', '[{"id": "10"', 'train.json is not JSON .*; download it again'),
        (
            'train',
            '[{"id": "10", "label": "x"}]',
            """train.json contains {'id': .* without "id" or "template"; download""",
        ),
        ('train', '{"10": "Moving something up"}', 'train.json is not a list of videos'),
        (
            'train',
            '[{"id": "a b", "template": "Moving something up"}]',
            "video 'a b' has a name with spaces or slashes",
        ),
        (
            'train',
            '[{"id": "../a", "template": "Moving something up"}]',
            "video '../a' has a name with spaces or slashes",
        ),
        ('labels', '["Moving something up"]', 'labels.json is not of the format {"class": "number"'),
        ('labels', '{"Moving something up": "first"}', 'labels.json is not of the format {"class": "number"'),
    ],
)
def test_invalid_label_files_raise_errors(v2, name, text, fault):
    (v2 / f'labels/{name}.json').write_text(text)
    with pytest.raises(ValueError, match=fault):
        prepare(V2, v2)


def test_report_is_removed_after_videos_are_repaired(v2):
    content = (v2 / 'videos/10.webm').read_bytes()
    (v2 / 'videos/10.webm').unlink()
    with pytest.raises(ValueError, match='1 missing'):
        prepare(V2, v2)
    (v2 / 'videos/10.webm').write_bytes(content)
    assert prepare(V2, v2)[0].read_text() == TRAIN_LIST
    assert not (v2 / 'sthv2_broken.txt').exists()


def test_fast_check_finds_missing_files_only(v2):
    break_videos(v2)
    with pytest.raises(ValueError, match=r'2 of 5 videos cannot be used \(1 \w+, 1 \w+\)'):
        prepare(V2, v2, fast=True)


def test_missing_or_truncated_frames_are_reported(v1):
    (v1 / 'rawframes/10/00004.jpg').unlink()
    cut(v1 / 'rawframes/11/00003.jpg', 0.7)
    (v1 / 'rawframes/12').rename(v1 / 'elsewhere')
    with pytest.raises(ValueError, match='3 of 5 videos cannot be used'):
        prepare(V1, v1)
    report = dict(line.split('\t') for line in (v1 / 'sthv1_broken.txt').read_text().splitlines())
    assert report['10'] == 'missing: 00004.jpg'
    assert report['11'].startswith('undecodable: 00003.jpg')
    assert report['12'] == 'missing'


def test_existing_list_is_replaced_only_with_force(v2):
    train = v2 / 'sthv2_train_list_videos.txt'
    train.write_text('my own split\n')
    with pytest.raises(FileExistsError, match='sthv2_train_list_videos.txt exists with other content; .*--force'):
        prepare(V2, v2)
    assert train.read_text() == 'my own split\n'
    prepare(V2, v2, force=True)
    assert train.read_text() == TRAIN_LIST
    prepare(V2, v2)


def overwrite(path, content, later=10**9):
    """Overwrite in place, which does not change the modification time of the folder."""
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + later))


def test_intact_videos_are_read_again_only_if_changed(v2):
    prepare(V2, v2)
    video = v2 / 'videos/11.webm'
    content = video.read_bytes()
    overwrite(video, bytes(len(content)), later=0)  # not detected: the content is not read again
    prepare(V2, v2)
    for broken, later in ((bytes(len(content)), 1), (b'shorter, but as old as before', 0)):
        video.write_bytes(content)
        prepare(V2, v2)
        overwrite(video, broken, later)
        with pytest.raises(ValueError, match='1 undecodable'):
            prepare(V2, v2)


def test_frame_that_was_overwritten_is_read_again(v1):
    prepare(V1, v1)
    folder, frame = v1 / 'rawframes/11', v1 / 'rawframes/11/00005.jpg'
    content, changed = frame.read_bytes(), folder.stat().st_mtime_ns
    overwrite(frame, content[: len(content) // 2])
    assert folder.stat().st_mtime_ns == changed
    with pytest.raises(ValueError, match='1 undecodable'):
        prepare(V1, v1)
    assert (v1 / 'sthv1_broken.txt').read_text().startswith('11\tundecodable: 00005.jpg')
    frame.write_bytes(content)
    prepare(V1, v1)


def test_truncated_journal_loses_only_its_last_video(v2):
    prepare(V2, v2)
    journal = v2 / 'sthv2_checked.tsv'
    whole = journal.read_text()
    journal.write_text(whole[:-2])
    prepare(V2, v2)
    assert {line.split('\t')[0] for line in journal.read_text().splitlines()[:-1]} == {
        f'{n}.webm' for n in (10, 11, 12, 20)
    }
    assert prepare(V2, v2)[1].read_text() == VAL_LIST


@pytest.mark.parametrize('folder', ['labels', 'videos'])
def test_missing_folder_raises_an_error_with_the_source(v2, folder):
    (v2 / folder).rename(v2 / 'hidden')
    with pytest.raises(
        FileNotFoundError, match='does not exist; download .*docs/guides/something_something.md.*make_mini_something.py'
    ):
        prepare(V2, v2)


def test_missing_label_file_raises_an_error(v2):
    (v2 / 'labels/train.json').unlink()
    with pytest.raises(FileNotFoundError, match='labels has no train.json or something-something-v2-train.json'):
        prepare(V2, v2)


def test_unknown_label_raises_an_error(v2, v1):
    (v2 / 'labels/labels.json').write_text('{"Moving something up": "0"}')
    with pytest.raises(ValueError, match='video 11 has the label .*behind something.* not one of the 1 classes'):
        prepare(V2, v2)
    (v1 / 'labels/something-something-v1-train.csv').write_text('10;Moving something up\n11;Sitting\n')
    with pytest.raises(ValueError, match="video 11 has the label 'Sitting', which is not one of the 2 classes"):
        prepare(V1, v1)


def test_tool_writes_and_reports_the_lists(tool, v2, capsys):
    tool('v2', v2, '--workers', 1)
    assert f'wrote {v2 / "sthv2_train_list_videos.txt"}' in capsys.readouterr().out
    assert (v2 / 'sthv2_val_list_videos.txt').read_text() == VAL_LIST


def test_tool_reports_missing_videos(tool, v1):
    (v1 / 'rawframes/21').rename(v1 / 'elsewhere')
    with pytest.raises(SystemExit, match='^error: 1 of 5 videos cannot be used .1 missing.'):
        tool('v1', v1, '--fast')
    tool('v1', v1, '--fast', '--drop-broken')
    assert (v1 / 'sthv1_val_list_rawframes.txt').read_text() == '20 20 1\n'
