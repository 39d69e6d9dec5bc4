"""Invalid lists raise an error with the line number before training."""

import json

import pytest
from mmengine.config import Config

from dyreg_mmaction.cli.named_files import check_data
from dyreg_mmaction.datasets.check_lists import check_lists

LABEL = 'video .c.webm. has label {}, but labels of 3 classes are 0 to 2'


def check(tmp_path, text, kind='VideoDataset', unlabeled=False, **options):
    (tmp_path / 'list.txt').write_text(text)
    dataset = dict(type=kind, ann_file='list.txt', data_root=str(tmp_path), **options)
    check_lists(dict(type='RepeatDataset', dataset=dataset), 'train_dataloader.dataset', 3, unlabeled)


@pytest.mark.parametrize(
    'text, fault',
    [
        ('', 'list.txt lists no videos; set train_dataloader.dataset.dataset.ann_file'),
        ('a.webm 0\nb.webm 2\nc.webm 3\n', 'list.txt, line 3: ' + LABEL.format(3)),
        ('a.webm 0\nc.webm -1\n', 'line 2: ' + LABEL.format(-1)),
        ('a.webm 0\nb.webm\n', "line 2 is 'b.webm', which has too few fields; write .name label.$"),
        ('a.webm 0\n\nb.webm 1\n', 'line 2 is blank; remove it'),
        (
            'a.webm 0\nmy b.webm 1\n',
            "line 2 is 'my b.webm 1', but should be .name label.*spaces, or set another delimiter",
        ),
        ('a.webm cat\n', 'line 1 is .* with integers after the name'),
    ],
)
def test_invalid_lines_raise_errors(tmp_path, text, fault):
    with pytest.raises(ValueError, match=fault):
        check(tmp_path, text)


@pytest.mark.parametrize('name', ['../a.webm', 'b/../../a.webm', '/etc/a.webm', 'C:\\a.webm', '..\\a.webm', '..'])
@pytest.mark.parametrize('kind, rest', [('VideoDataset', '1'), ('RawframeDataset', '8 1')])
def test_paths_outside_the_data_folder_raise_errors(tmp_path, name, kind, rest):
    with pytest.raises(ValueError, match='line 2: .* is outside the data folder'):
        check(tmp_path, f'a..b/c...webm {rest}\n{name} {rest}\n', kind)


@pytest.mark.parametrize('kind, key, rest', [('VideoDataset', 'video', '1'), ('RawframeDataset', 'img', '8 1')])
def test_absolute_paths_without_data_folder(tmp_path, monkeypatch, kind, key, rest):
    """As in MMAction2: absolute paths, or paths relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'list.txt').write_text(f'/videos/a.webm {rest}\n../b.webm {rest}\nc.webm {rest}\n')
    for prefix in ({}, dict(data_prefix={key: ''}), dict(data_root='', data_prefix={key: ''}), dict(data_root=None)):
        check_lists(dict(type=kind, ann_file='list.txt', **prefix), 'train_dataloader.dataset', 3)
    for prefix in (dict(data_prefix={key: 'videos'}), dict(data_root=str(tmp_path)), dict(data_prefix={key: '/video'})):
        with pytest.raises(ValueError, match=f"line 1: '/videos/a.webm' is outside .*or absolute .*{key}="):
            check_lists(dict(type=kind, ann_file='list.txt', **prefix), 'train_dataloader.dataset', 3)


def test_absolute_path_inside_the_data_folder(tmp_path):
    check(tmp_path, f'{tmp_path}/videos/a.webm 0\n')
    check(tmp_path, f'{tmp_path}/videos/a.webm 0\n', data_prefix=dict(video='videos'))
    for name in (f'{tmp_path}/videos/../a.webm', f'{tmp_path}/videos2/a.webm', str(tmp_path / 'videos')):
        with pytest.raises(ValueError, match='is outside the data folder'):
            check(tmp_path, f'{name} 0\n', data_prefix=dict(video='videos'))


@pytest.mark.parametrize(
    'text, fault, options',
    [
        ('a 12 3\n', 'has label 3', {}),
        ('a 12\n', "is 'a 12', which has too few fields; write .folder frames label.", {}),
        ('a 0 1\n', 'a. has 0 frames; remove it', {}),
        ('a b 12 1\n', 'should be .folder frames label', {}),
        ('a 12 1\n', 'has too few fields; write .folder offset frames label', dict(with_offset=True)),
    ],
)
def test_invalid_lines_of_frame_folders_raise_errors(tmp_path, text, fault, options):
    with pytest.raises(ValueError, match=fault):
        check(tmp_path, text, 'RawframeDataset', **options)


def test_lists_that_mmaction2_reads_are_valid(tmp_path):
    check(tmp_path, 'a.webm 0\nb.webm 2\n')
    check(tmp_path, 'my a.webm\t0\nb.webm\t2\n', delimiter='\t')
    check(tmp_path, 'a.webm 0 1\nb.webm 2\n', multi_class=True)
    check(tmp_path, 'a 12 0\nb 13 2\n', 'RawframeDataset')
    check(tmp_path, 'a 4 12 0\n', 'mmaction.RawframeDataset', with_offset=True)
    check(tmp_path, 'a.webm\nb.webm\n', unlabeled=True)
    with pytest.raises(ValueError, match='line 2 is .b.webm., which has too few fields'):
        check(tmp_path, 'a.webm 0\nb.webm\n', unlabeled=True)


def test_video_without_boxes_raises_an_error(tmp_path):
    (tmp_path / 'boxes.json').write_text(json.dumps({'a': [], 'c': []}))
    pipeline = [dict(type='LoadBoxes', ann_file=str(tmp_path / 'boxes.json'))]
    check(tmp_path, 'a.webm 0\nc.webm 1\n', pipeline=pipeline)
    with pytest.raises(ValueError, match='2 of 3 videos of .*list.txt have no boxes in .*boxes.json, e.g. b.webm; run'):
        check(tmp_path, 'a.webm 0\nb.webm 0\nd.webm 1\n', pipeline=pipeline)


@pytest.mark.parametrize('load', ['LoadBoxes', 'LoadObjects'])
def test_two_videos_with_the_same_boxes_raise_an_error(tmp_path, load):
    pipeline = [dict(type=load, ann_file=str(tmp_path / 'boxes.json'))]
    (tmp_path / 'boxes.json').write_text(json.dumps({'3': [], 'b/3': []}))
    check(tmp_path, 'a/3.webm 0\nb/3.webm 1\na/3.webm 0\n', pipeline=pipeline)
    (tmp_path / 'boxes.json').write_text(json.dumps({'3': []}))
    with pytest.raises(ValueError, match="has boxes of '3', which matches a/3.webm and b/3.webm; add"):
        check(tmp_path, 'a/3.webm 0\nb/3.webm 1\n', pipeline=pipeline)


def test_tools_check_labels_against_the_classes_of_the_model(tmp_path):
    (tmp_path / 'list.txt').write_text('a.webm 3\n')
    dataset = dict(type='VideoDataset', ann_file=f'{tmp_path}/list.txt')
    cfg = Config(dict(model=dict(cls_head=dict(num_classes=4)), train_dataloader=dict(dataset=dataset)))
    check_data(cfg, 'train_dataloader', 'val_dataloader')
    cfg.model.cls_head.num_classes = 3
    with pytest.raises(ValueError, match='a.webm. has label 3, but labels of 3 classes are 0 to 2'):
        check_data(cfg, 'train_dataloader')
