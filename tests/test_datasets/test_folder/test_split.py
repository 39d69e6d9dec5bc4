"""Split of videos."""

from collections import Counter

import pytest

from dyreg_mmaction.datasets.folder.directions import sided_classes
from dyreg_mmaction.datasets.folder.entries import Entry
from dyreg_mmaction.datasets.folder.split import split_videos


def videos(**counts):
    return [Entry(f'{label}/{label}_{number:02}.mp4', label) for label, n in counts.items() for number in range(n)]


def held(splits):
    return Counter(name.split('/')[0] for name, split in splits.items() if split == 'val')


def test_fraction_of_each_class_is_held_out_reproducibly():
    entries = videos(cut=20, pour=10, stir=2, single=1)
    splits = split_videos(entries, 0.2)
    assert held(splits) == dict(cut=4, pour=2, stir=1)
    assert split_videos(entries[::-1], 0.2) == splits


def test_videos_keep_their_split_when_videos_are_added():
    before = split_videos(videos(cut=10, pour=10), 0.2)
    after = split_videos(videos(cut=20, pour=10, stir=5), 0.2, earlier=before)
    assert before.items() <= after.items()
    assert held(after) == dict(cut=4, pour=2, stir=1)


def test_another_video_is_held_out_if_all_of_a_class_were_removed():
    entries = videos(cut=5, pour=5, stir=5, single=1)
    before = split_videos(entries, 0.2)
    left = [entry for entry in entries if entry.label == 'cut' or before[entry.name] == 'train']
    after = split_videos(left, 0.2, earlier=before)
    assert held(after) == dict(cut=1, pour=1, stir=1)
    assert sum(after[entry.name] != before[entry.name] for entry in left) == 2
    assert split_videos(left, 0.2, earlier=after) == after


@pytest.mark.parametrize('split_by', ['folder', 'prefix'])
def test_recording_is_in_one_split(split_by):
    entries = [
        Entry(f'{label}/day {day}/d{day}_{part}.mp4', label, recording=f'day {day}')
        for label in ('cut', 'pour')
        for day in range(5)
        for part in range(1 + day)
    ]
    splits = split_videos(entries, 0.25, split_by)
    days = {split: {name.split('/')[1] for name in splits if splits[name] == split} for split in ('train', 'val')}
    assert days['train'] and days['val'] and days['train'].isdisjoint(days['val'])
    assert set(held(splits)) == {'cut', 'pour'}


def test_smallest_of_large_recordings_is_held_out():
    sizes = dict(a=10, b=8, c=9)
    entries = [Entry(f'{key}_{part}.mp4', 'cut') for key, size in sizes.items() for part in range(size)]
    splits = split_videos(entries, 0.1, 'prefix')
    assert {name[0] for name, split in splits.items() if split == 'val'} == {'b'}


def test_new_video_of_held_out_recording_is_held_out():
    entries = videos(cut=4, pour=4)
    entries = [entry._replace(recording=entry.name[-5]) for entry in entries]
    before = split_videos(entries, 0.25, 'folder')
    (day,) = {name[-5] for name, split in before.items() if split == 'val'}
    new = Entry('cut/new.mp4', 'cut', recording=day)
    assert split_videos([*entries, new], 0.25, 'folder', before)['cut/new.mp4'] == 'val'


def test_splits_of_the_source_are_kept():
    entries = [entry._replace(split='val' if entry.name.endswith('3.mp4') else '') for entry in videos(cut=6, pour=6)]
    assert held(split_videos(entries, 0.5)) == dict(cut=1, pour=1)


def test_test_split_becomes_val_and_train_split_alone_is_ignored():
    entries = videos(cut=5, pour=5)
    tested = [entry._replace(split='test' if '_04' in entry.name else 'train') for entry in entries]
    assert held(split_videos(tested, 0.2)) == dict(cut=1, pour=1)
    assert held(split_videos([entry._replace(split='train') for entry in entries], 0.2)) == dict(cut=1, pour=1)


@pytest.mark.parametrize(
    'entries, options, message',
    [
        (videos(cut=1, pour=1), {}, 'no video is left for val'),
        (videos(cut=4, pour=4), dict(split_by='folder'), 'are directly in the folders of their classes'),
        ([e._replace(split='val') for e in videos(cut=2, pour=2)], {}, 'no video is left for train'),
        (videos(cut=4), dict(fraction=1), 'must be between 0 and 1'),
        (videos(cut=4), dict(split_by='color'), "'color', but must be one of"),
        (
            [Entry('a_1.mp4', 'cut', 'train'), Entry('a_2.mp4', 'cut', 'val'), Entry('b_1.mp4', 'cut', 'val')],
            dict(split_by='prefix'),
            "recording 'a' is in the splits train and val",
        ),
    ],
)
def test_impossible_splits_raise_errors(entries, options, message):
    with pytest.raises(ValueError, match=message):
        split_videos(entries, **{'fraction': 0.2, **options})


def test_classes_with_sides():
    sided = ['turn left', 'TurnRight', 'swipe_leftward', 'spin counter-clockwise', 'anticlockwise']
    assert sided_classes([*sided, 'upright', 'leftover', 'copyright', 'cut']) == sided
