import runpy
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from dyreg_mmaction.datasets.synthetic.sync_mnist import MultiSyncMNIST, SyncMNIST

TOOL = Path(__file__).parents[3] / 'tools/data/export_dataset.py'


@pytest.fixture
def export(monkeypatch):
    def run(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')

    return run


def read_video(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)])


@pytest.mark.parametrize('kind', ['mp4', 'webm'])
def test_videos_and_labels_are_those_of_the_dataset(export, tmp_path, kind):
    out = tmp_path / 'deep/out'
    export('MultiSyncMNIST', out, '--num', 2, '--start', 5, '--format', kind, '--cfg-options', 'num_digits=3')
    dataset = MultiSyncMNIST('test', num_digits=3)
    assert sorted(path.name for path in out.iterdir()) == [
        f'000005.{kind}',
        f'000006.{kind}',
        'annotations.txt',
        'contact_sheet.png',
    ]
    lines = (out / 'annotations.txt').read_text().splitlines()
    assert lines == [f'{index:06d}.{kind} {dataset[index]["label"]}' for index in (5, 6)]
    video = read_video(out / f'000006.{kind}')
    assert video.shape == (10, 128, 128, 3)
    assert np.abs(video - dataset[6]['imgs'].astype(float)).mean() < 2


def test_boxes_are_drawn(export, tmp_path):
    export('SyncMNIST', tmp_path, '--num', 1, '--boxes', '--scale', 4, '--cfg-options', 'none_prob=0')
    sample, video = SyncMNIST('test', none_prob=0)[0], read_video(tmp_path / '000000.mp4').astype(int)
    assert video.shape == (10, 256, 256, 3)
    x1, y1, x2, y2 = np.round(4 * sample['gt_bboxes'][3, sample['synchronous'].argmax()]).astype(int)
    red, green, blue = video[3, y1 + 4 : y2 - 4, x1].mean(0)
    assert red > green + 40 > blue + 80  # orange: in sync


def test_missing_boxes_raise_an_error_and_leave_no_files(export, tmp_path, monkeypatch):
    plain = SyncMNIST.get_data_info
    monkeypatch.setattr(
        SyncMNIST, 'get_data_info', lambda *args: {k: v for k, v in plain(*args).items() if k != 'gt_bboxes'}
    )
    with pytest.raises(SystemExit, match='SyncMNIST has no boxes .gt_bboxes. to draw; remove --boxes'):
        export('SyncMNIST', tmp_path / 'out', '--num', 1, '--boxes')
    assert not (tmp_path / 'out').exists()


def test_sheet_has_a_row_for_each_clip_and_shows_its_frames(export, tmp_path):
    export('SyncMNIST', tmp_path, '--num', 3)
    sheet = np.asarray(Image.open(tmp_path / 'contact_sheet.png'))
    assert sheet.shape[0] == 4 + 3 * 132
    imgs = SyncMNIST('test')[2]['imgs']
    last_frame = sheet[-132:-4, -132:-4]  # last clip, enlarged by 2
    assert np.array_equal(last_frame[::2, ::2, 0], imgs[9, ..., 0])


def test_frames_of_odd_size_are_padded(export, tmp_path):
    export('SyncMNIST', tmp_path, '--num', 1, '--cfg-options', 'frame_size=63')
    assert read_video(tmp_path / '000000.mp4').shape == (10, 64, 64, 3)


def test_dataset_can_come_from_a_config(export, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text(
        "train_dataloader = dict(dataset=dict(type='SyncMNIST', seed=3, pipeline=[dict(type='Missing')]))"
    )
    export(config, tmp_path / 'out', '--split', 'train', '--num', 1)
    assert (tmp_path / 'out/annotations.txt').read_text() == f'000000.mp4 {SyncMNIST(seed=3)[0]["label"]}\n'


def test_num_is_limited_by_the_dataset(export, tmp_path):
    export('SyncMNIST', tmp_path, '--num', 5, '--cfg-options', 'length=2')
    assert len((tmp_path / 'annotations.txt').read_text().splitlines()) == 2


def test_files_are_overwritten_only_with_force(export, tmp_path):
    mine = tmp_path / '000000.mp4'
    mine.write_text('mine')
    with pytest.raises(SystemExit, match='is not empty.*--force'):
        export('SyncMNIST', tmp_path, '--num', 1)
    assert mine.read_text() == 'mine' and len(list(tmp_path.iterdir())) == 1
    export('SyncMNIST', tmp_path, '--num', 1, '--force')
    assert read_video(mine).shape == (10, 64, 64, 3)


@pytest.mark.parametrize(
    'args, message',
    [
        (['NoSuch'], "dataset 'NoSuch' does not exist.* MultiSyncMNIST.* SyncMNIST"),
        (['SyncMNIST', '--split', 'val'], "split is 'val'"),
        (['SyncMNIST', '--start', 10000], '--start 10000 is out of range: the dataset has 10000 samples'),
    ],
)
def test_invalid_arguments_raise_errors_and_leave_no_files(export, tmp_path, args, message):
    with pytest.raises(SystemExit, match=message):
        export(args[0], tmp_path / 'out', *args[1:])
    assert not (tmp_path / 'out').exists()
