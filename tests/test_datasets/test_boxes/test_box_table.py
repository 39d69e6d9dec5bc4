"""Boxes of many videos are read and tracked once, for all pipelines, processes and epochs."""

import copy
import errno
import fcntl
import json
import multiprocessing
import os
import pickle
import tracemalloc
from pathlib import Path

import ijson
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from dyreg_mmaction.datasets.boxes import files, table, tracks
from dyreg_mmaction.datasets.boxes.table import BoxTable

SIZE = (100, 100)


def frame(number, *boxes, **others):
    labels = [dict(box2d=dict(zip(('x1', 'y1', 'x2', 'y2'), box, strict=True))) for box in boxes]
    return dict(name=f'v/{number:04}.jpg', labels=labels, **others)


def box(x, y):
    return (x, y, x + 20, y + 20)


def some_videos(num, length=3):
    return {f'v{i}': [frame(t + 1, box(i % 70 + t, 70), box(5, i % 70 + t)) for t in range(length)] for i in range(num)}


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / 'boxes.json'
    path.write_text(json.dumps(some_videos(10)))
    return path


def kept(source: Path) -> list[Path]:
    return [path for path in (source.parent / '.dyreg_boxes').iterdir() if path.is_dir()]


def never(*args):
    raise AssertionError('read again')


def test_file_is_read_once(source, monkeypatch):
    first = BoxTable(str(source), 3)
    monkeypatch.setattr(table, 'read_videos', never)
    monkeypatch.setattr(table, 'match_boxes', never)
    for again in (BoxTable(str(source), 3), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        for video in ('v0', 'v9'):
            for ours, theirs in zip(
                again.read(Path(f'x/{video}.webm'), SIZE), first.read(Path(video), SIZE), strict=True
            ):
                np.testing.assert_array_equal(ours, theirs)
    assert len(pickle.dumps(first)) < 1000 and 'v3.mp4' in first and 'v10' not in first


def test_arrays_are_memory_mapped(source):
    boxes = BoxTable(str(source), 3)
    boxes.read(Path('v0'), SIZE)
    assert all(isinstance(part, np.memmap) for part in (boxes._names, boxes._videos, *boxes._columns.values()))


def test_folder_is_read_once(tmp_path, monkeypatch):
    (tmp_path / 'boxes').mkdir()
    (tmp_path / 'boxes/_detector.json').write_text('{"every": 1}')
    for video, frames in some_videos(5).items():
        (tmp_path / f'boxes/{video}.json').write_text(json.dumps({video: frames}))
    first = BoxTable(str(tmp_path / 'boxes'), 2).read(Path('v4'), SIZE)
    monkeypatch.setattr(table, 'read_videos', never)
    np.testing.assert_array_equal(BoxTable(str(tmp_path / 'boxes'), 2).read(Path('v4'), SIZE).boxes, first.boxes)


def test_changed_source_is_read_again_and_the_old_table_removed(source):
    old = BoxTable(str(source), 3)
    old.read(Path('v1'), SIZE)
    times = source.stat()
    text = source.read_text()
    source.write_text(text.replace('"x1": 0', '"x1": 3', 1))
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same time
    assert BoxTable(str(source), 3).read(Path('v0'), SIZE).boxes[0, 0, 0] == pytest.approx(0.03)
    assert len(kept(source)) == 1
    assert old.read(Path('v0'), SIZE).boxes[0, 0, 0] == 0  # an open table stays valid


def test_tables_depend_on_number_of_nodes_and_files(source, tmp_path):
    (tmp_path / 'more.json').write_text(json.dumps({'w': []}))
    both = [str(source), str(tmp_path / 'more.json')]
    assert [BoxTable(str(source), n).read(Path('v2'), SIZE).boxes.shape for n in (1, 5)] == [(3, 1, 4), (3, 5, 4)]
    assert 'w' in BoxTable(both, 1) and 'w' not in BoxTable(str(source), 1)
    assert len(kept(source)) == 3


def test_cache_folder_is_used_if_the_source_folder_is_read_only(source, tmp_path, monkeypatch):
    (source.parent / '.dyreg_boxes').write_text('in the way')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    assert 'v1' in BoxTable(str(source), 3)
    assert len(list((tmp_path / 'cache/dyreg_mmaction').glob('boxes-*-3-*'))) == 1
    monkeypatch.setattr(table, 'read_videos', never)
    assert 'v1' in BoxTable(str(source), 3)


def test_no_writable_folder_raises_an_error(source, tmp_path, monkeypatch):
    (source.parent / '.dyreg_boxes').write_text('in the way')
    monkeypatch.setenv('XDG_CACHE_HOME', str(source))
    monkeypatch.setattr(table.tempfile, 'gettempdir', lambda: str(source))
    with pytest.raises(OSError, match='cannot write to any of .*; set XDG_CACHE_HOME to a writable folder'):
        BoxTable(str(source), 3)


def test_failed_build_leaves_no_files(source):
    source.write_text(source.read_text()[:-40])
    with pytest.raises(ValueError, match='boxes.json does not have the format .* after video .v8.* premature EOF'):
        BoxTable(str(source), 3)
    assert not kept(source)


def build_and_count(path: str, log: str) -> float:
    stock = table._build

    def build(*args):
        with open(log, 'a') as file:
            file.write('built\n')
        stock(*args)

    table._build = build
    return float(BoxTable(path, 3).read(Path('v7'), SIZE).boxes[0, 0, 0])


@pytest.mark.slow
def test_only_one_of_several_processes_builds_the_table(tmp_path):
    path, log = tmp_path / 'boxes.json', tmp_path / 'log'
    path.write_text(json.dumps(some_videos(500)))
    with multiprocessing.get_context('spawn').Pool(3) as pool:
        found = pool.starmap(build_and_count, [(str(path), str(log))] * 3, chunksize=1)
    assert found == [pytest.approx(0.07)] * 3
    assert log.read_text() == 'built\n'


def test_several_processes_build_without_locks(source, monkeypatch):
    def flock(*args):
        raise OSError(errno.ENOLCK, 'No locks available')

    def build_twice(*args):
        build(*args)
        build(*args)

    build = table._build
    monkeypatch.setattr(fcntl, 'flock', flock)
    monkeypatch.setattr(table, '_build', build_twice)
    with pytest.warns(UserWarning, match='.dyreg_boxes cannot be locked: .*No locks available'):
        assert 'v1' in BoxTable(str(source), 3)
    assert len(kept(source)) == 1


def test_memory_does_not_depend_on_the_number_of_videos(tmp_path, monkeypatch):
    monkeypatch.setattr(table, 'BATCH', 8)

    def peak(num):
        path = tmp_path / f'{num}.json'
        path.write_text(json.dumps(some_videos(num, length=10)))
        tracemalloc.start()
        try:
            BoxTable(str(path), 3)
            return tracemalloc.get_traced_memory()[1], path.stat().st_size
        finally:
            tracemalloc.stop()

    (few, small), (many, large) = peak(50), peak(250)
    assert large > 4.9 * small
    assert many < 1.2 * few + 200 * 500  # and the row of each video


def test_byte_order_mark_and_indentation(source):
    whole = list(files.read_videos(source))
    assert [name for name, _ in whole] == [f'v{i}' for i in range(10)]
    source.write_text('\ufeff\n' + json.dumps(some_videos(10), indent=1))
    assert list(files.read_videos(source)) == whole


@pytest.mark.parametrize(
    'text, fault',
    [
        ('', "it starts with '', not with an object"),
        ('{', 'premature EOF'),
        ('[]', "it starts with '\\[\\]', not with an object"),
        ('{"v": [] "w": []}', 'parse error: after key and value, inside map'),
        ('{"v": []}}', 'trailing garbage'),
        ('{"v": [{"labels": []}]}', "KeyError: 'name'"),
        ('{"v": 3}', 'TypeError'),
        ('{"v": [{"name": "v/x.jpg", "labels": []}]}', 'invalid literal for int'),
        ('{"v": [{"name": "1.jpg", "labels": [{"box2d": {"x1": "nan", "y1": 0, "x2": 1, "y2": 1}}]}]}', 'not finite'),
    ],
)
def test_invalid_format_raises_an_error(tmp_path, text, fault):
    path = tmp_path / 'wrong.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'wrong.json does not have the format of Something-Else.*{fault}'):
        BoxTable(str(path), 3)


def test_error_reports_the_position_of_invalid_json(tmp_path):
    path = tmp_path / 'wrong.json'
    path.write_text(json.dumps(some_videos(5))[:-1] + ', "w": [{"name": oops}], ' + ' ' * 10**6)
    with path.open('rb') as content:
        with pytest.raises(ijson.JSONError, match='invalid char in json text'):
            list(files._stream_items(content))
        assert content.tell() < 10**5


def test_empty_file_has_no_videos(tmp_path):
    (tmp_path / 'boxes.json').write_text(' {} ')
    assert 'v' not in BoxTable(str(tmp_path / 'boxes.json'), 3)


def test_mixed_known_and_unknown_frame_sizes_raise_an_error(source):
    source.write_text(json.dumps({'v': [frame(1, box(1, 1)), frame(2, box(1, 1), width=100, height=100)]}))
    with pytest.raises(ValueError, match="some frames of video 'v' have width and height, others have not"):
        BoxTable(str(source), 3)


def test_untracked_boxes_keep_their_order(source):
    away, back = box(70, 70), box(0, 70)
    frames = [frame(2, back), frame(4, away, back), frame(5, away), frame(6, box(0, 0), away, box(30, 0))]
    source.write_text(json.dumps({'v': frames, 'w': [frame(1)], 'x': []}))
    found = BoxTable(str(source)).read(Path('v'), SIZE)
    assert found.numbers.tolist() == [1, 3, 4, 5]
    assert found.seen.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 1]]
    assert (found.boxes[-1] * 100).round().tolist() == [list(b) for b in (back, away, box(0, 0), box(30, 0))]
    assert [BoxTable(str(source)).read(Path(v), SIZE).boxes.shape for v in 'wx'] == [(1, 0, 4), (0, 0, 4)]


def one_by_one(boxes, num_nodes):
    """Track one video by the same rule, with the Hungarian algorithm in every frame."""
    last, held = np.full((num_nodes, 4), np.nan), np.zeros(num_nodes, bool)
    for frame_boxes in boxes:
        found = frame_boxes[~np.isnan(frame_boxes[:, 0])]
        gain = tracks._gain(last[None], held[None], found[None])[0]
        nodes, chosen = linear_sum_assignment(gain, maximize=True)
        last[nodes], held = found[chosen], np.isin(np.arange(num_nodes), nodes)
        yield last.copy(), held


def test_batched_tracking_equals_tracking_one_by_one():
    rng = np.random.default_rng(0)
    lengths, num_nodes = rng.integers(0, 30, 40), rng.integers(4, 8, 40)
    boxes = np.full((lengths.sum(), 4, 4), np.nan)
    for video in np.split(boxes, lengths.cumsum()[:-1]):
        corners = rng.random((4, 2)) * 0.7
        for row in video:
            corners += rng.normal(0, 0.05, corners.shape)
            seen = rng.permutation(4)[: rng.integers(0, 5)]
            row[: len(seen)] = np.concatenate([corners, corners + 0.2], 1)[seen]
    followed, taken = tracks.match_boxes(boxes, lengths, num_nodes)
    ends = lengths.cumsum()
    for start, end, nodes in zip(ends - lengths, ends, num_nodes, strict=True):
        ever = np.zeros(nodes, bool)
        for row, (expected, held) in zip(range(start, end), one_by_one(boxes[start:end], nodes), strict=True):
            ever |= held
            np.testing.assert_allclose(followed[row, :nodes][ever], expected[ever])
            assert ((taken[row, :nodes] >= 0) == held).all()
        assert np.isnan(followed[start:end, nodes:]).all()
