"""Folders with a sub-folder for each class."""

import os

import pytest

from dyreg_mmaction.datasets.folder.from_folder import read_folder


@pytest.fixture
def make(tmp_path):
    """Return a function that creates empty files and returns their folder."""

    def touch(*names):
        for name in names:
            path = tmp_path / 'videos' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / 'videos'

    return touch


def test_first_folder_is_the_class_and_folders_below_are_recordings(make):
    entries = read_folder(make('cut/a.mp4', 'cut/day 1/b.MOV', 'pour/day 1/x/c.webm')).entries
    assert [entry[:2] for entry in entries] == [
        ('cut/a.mp4', 'cut'),
        ('cut/day 1/b.MOV', 'cut'),
        ('pour/day 1/x/c.webm', 'pour'),
    ]
    assert [entry.recording for entry in entries] == ['', 'day 1', 'day 1/x']


def test_folders_named_as_splits_are_splits(make):
    entries = read_folder(make('Train/cut/a.mp4', 'Train/pour/b.mp4', 'validation/cut/c.mp4')).entries
    assert [(entry.split, entry.label) for entry in entries] == [('train', 'cut'), ('train', 'pour'), ('val', 'cut')]


def test_classes_may_be_named_test_and_val(make):
    assert {entry.label for entry in read_folder(make('test/a.mp4', 'val/b.mp4')).entries} == {'test', 'val'}


def test_ignored_files_are_reported(make):
    folder = make('cut/a.mp4', 'cut/notes.txt', 'loose.mp4', 'cut/.hidden.mp4', '.git/cut.mp4')
    (folder / 'empty class').mkdir()
    listing = read_folder(folder)
    assert [entry.name for entry in listing.entries] == ['cut/a.mp4']
    assert [remark.split(' and ')[0] for remark in listing.remarks] == [
        '1 files are not videos',
        '1 videos are in no class folder',
        'empty class/ has no videos',
    ]


def test_composed_and_decomposed_class_names_are_equal(make):
    assert {entry.label for entry in read_folder(make('u\u0308ben/a.mp4', '\u00fcben/b.mp4')).entries} == {'üben'}


def test_folder_that_links_to_itself_is_entered_once(make):
    folder = make('cut/a.mp4')
    (folder / 'cut' / 'again').symlink_to(folder)
    assert [entry.name for entry in read_folder(folder).entries] == ['cut/a.mp4']


@pytest.mark.parametrize(
    'names, message',
    [
        (['notes.txt'], 'has no videos; it must have a sub-folder for each class'),
        (['cut/0001.jpg', 'cut/0002.jpg'], 'has 2 pictures and no videos'),
        (['a.mp4', 'b.mp4'], 'has 2 videos but no sub-folder for each class'),
        (['a.mp4', 'labels.csv'], r'pass the table that names their classes, such as .*labels\.csv'),
        (['train/a.mp4', 'train/cut/b.mp4', 'val/cut/c.mp4'], r'train/a\.mp4 is in no class folder'),
        (['cut/a\tb.mp4'], 'has a tab'),
        (['cut/a\nb.mp4'], 'a line break'),
    ],
)
def test_invalid_folders_raise_errors(make, names, message):
    with pytest.raises(ValueError, match=message):
        read_folder(make(*names))


def test_name_that_is_not_utf8_raises_an_error(make):
    folder = make('cut/a.mp4')
    try:
        open(os.fsencode(folder) + b'/cut/\xff.mp4', 'w').close()
    except OSError:
        pytest.skip('this file system has only UTF-8 names')
    with pytest.raises(ValueError, match='not UTF-8'):
        read_folder(folder)
