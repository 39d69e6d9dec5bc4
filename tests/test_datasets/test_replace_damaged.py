"""Samples that cannot be read are replaced and reported; no damaged file ends or blocks a worker."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from mmaction.datasets import VideoDataset
from mmengine.dataset import Compose, ConcatDataset, pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader, Dataset, Subset
from video_cases import noise_in_motion, write_codec

from dyreg_mmaction.datasets.layers import load_through
from dyreg_mmaction.datasets.replace_damaged import build_replacing, replace_damaged
from dyreg_mmaction.datasets.video.timeline import import_av


@pytest.fixture(autouse=True)
def scope():
    import_av().logging.set_level(None)
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """Truncate a file, change, zero or remove bytes, or flip bits of its header."""
    damaged, kind, place = bytearray(content), rng.integers(5), rng.integers(len(content))
    length = int(rng.integers(1, len(content) // 10))
    if kind == 0:
        del damaged[place:]
    elif kind == 1:
        for i in rng.integers(0, len(damaged), 40):
            damaged[i] = rng.integers(256)
    elif kind == 2:
        damaged[place : place + length] = bytes(len(damaged[place : place + length]))
    elif kind == 3:
        del damaged[place : place + length]
    else:
        for i in rng.integers(0, 500, 8):
            damaged[i] ^= 1 << rng.integers(8)
    return bytes(damaged)


PIPELINE = [
    dict(type='SampleFrames', clip_len=1, num_clips=4),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCHW'),
    dict(type='PackActionInputs'),
]


def dataset(folder, lines, decoder='decord', **settings):
    (folder / 'list.txt').write_text(lines)
    pipeline = [dict(type='VideoInit', decoder=decoder), *PIPELINE]
    return build_replacing('VideoDataset', ann_file=str(folder / 'list.txt'), pipeline=pipeline,
                          data_prefix=dict(video=str(folder)), **settings)  # fmt: skip


def loaded(dataset, index):
    """Return a sample as loaded by a DataLoader."""
    (batch,) = DataLoader(dataset, sampler=[index], collate_fn=list)
    return batch[0]


@pytest.mark.slow
@pytest.mark.parametrize('decoder', ['decord', 'pyav'])
@pytest.mark.parametrize('codec', ['libvpx-vp9', 'mpeg4'])
def test_workers_survive_damaged_files(tmp_path, decoder, codec):
    """50 damaged files of each codec and 25 intact ones."""
    whole = write_codec(tmp_path / ('whole.webm' if codec == 'libvpx-vp9' else 'whole.mp4'), codec, noise_in_motion())
    rng = np.random.default_rng(0)
    lines = ''
    for number in range(75):
        name = f'{number}{whole.suffix}'
        (tmp_path / name).write_bytes(damage(whole.read_bytes(), rng) if number % 3 else whole.read_bytes())
        lines += f'{name} {number}\n'
    loader = DataLoader(
        dataset(tmp_path, lines, decoder), batch_size=10, num_workers=1, collate_fn=pseudo_collate, timeout=60
    )
    samples = [sample for batch in loader for sample in batch['data_samples']]
    damaged = {path: reason for sample in samples for path, reason in (sample.get('damaged') or {}).items()}
    assert len(samples) == 75
    assert 20 < len(damaged) <= 50  # a changed pixel is not detected
    assert all(int(Path(path).stem) % 3 and f'{Path(path).name} cannot be read' in r for path, r in damaged.items())


def test_next_sample_replaces_an_unreadable_one(webm, tmp_path):
    shutil.copy(webm, tmp_path / 'a.webm')
    lines = 'a.webm 3\nno.webm 4\ncut.webm 5\n'
    (tmp_path / 'cut.webm').write_bytes(webm.read_bytes()[: webm.stat().st_size // 2])
    for test_mode, label in ((False, 3), (True, 4)):
        sample = loaded(dataset(tmp_path, lines, test_mode=test_mode), 1)['data_samples']
        assert sample.gt_label.item() == label
        assert [Path(path).name for path in sample.damaged] == ['no.webm', 'cut.webm']
        assert 'truncated' in sample.damaged[str(tmp_path / 'cut.webm')]
    whole = loaded(dataset(tmp_path, lines), 0)['data_samples']
    assert whole.gt_label.item() == 3 and 'damaged' not in whole


def test_many_unreadable_samples_raise_an_error(tmp_path):
    with pytest.raises(
        RuntimeError, match='2 consecutive samples cannot be read; .*.*no.webm: ValueError: .*No such file'
    ):
        loaded(dataset(tmp_path, 'no.webm 0\nneither.webm 1\n'), 0)


def test_folders_of_frames_with_gaps_are_replaced(tmp_path):
    import cv2

    for name in ('whole', 'gap', 'first', 'last'):
        (tmp_path / name).mkdir()
        for number, frame in enumerate(noise_in_motion(6), start=1):
            cv2.imwrite(str(tmp_path / name / f'{number:05}.jpg'), frame)
    (tmp_path / 'gap/00004.jpg').unlink()
    (tmp_path / 'first/00001.jpg').write_bytes(b'<html>404</html>')
    (tmp_path / 'last/00006.jpg').write_bytes(b'<html>404</html>')
    (tmp_path / 'list.txt').write_text('gap 6 0\nwhole 6 1\nfirst 6 2\nlast 6 3\nnowhere 6 4\n')
    pipeline = [dict(type='SampleFrames', clip_len=6), dict(type='RawFrameDecode'), *PIPELINE[2:]]
    frames = build_replacing('RawframeDataset', ann_file=str(tmp_path / 'list.txt'), filename_tmpl='{:05}.jpg',
                            data_prefix=dict(img=str(tmp_path)), pipeline=pipeline)  # fmt: skip
    samples = [loaded(frames, index)['data_samples'] for index in (0, 2)]
    assert [sample.gt_label.item() for sample in samples] == [1, 1]
    assert '00004.jpg' in samples[0].damaged[str(tmp_path / 'gap')]
    assert [Path(path).name for path in samples[1].damaged] == ['first', 'last', 'nowhere', 'gap']


class Fails:
    """A transform that raises an error."""

    def __call__(self, results):
        return results['no such key']


def test_error_of_a_transform_is_raised(webm, tmp_path):
    shutil.copy(webm, tmp_path / 'a.webm')
    videos = dataset(tmp_path, 'no.webm 0\na.webm 1\n')
    transforms = videos.pipeline.transforms
    for place in (3, len(transforms) - 1):  # after decoding
        videos.pipeline.transforms = [*transforms[:place], Fails(), *transforms[place:]]
        for index in range(2):
            with pytest.raises(KeyError, match='no such key'):
                loaded(videos, index)


def nested(kind):
    """Decoding and later transforms inside a transform, with a crop larger than the frames."""
    steps = [dict(type='VideoDecode'), dict(type='RandomCrop', size=500), dict(type='FormatShape', input_format='NCHW')]
    if kind == 'WithNeighbours':
        return dict(type=kind, transforms=steps)
    return dict(type='mmcv.RandomApply', transforms=steps, prob=1.0)


@pytest.mark.parametrize('kind', ['WithNeighbours', 'RandomApply'])
def test_error_of_a_nested_transform_is_raised(webm, tmp_path, kind):
    shutil.copy(webm, tmp_path / 'a.webm')
    videos = dataset(tmp_path, 'no.webm 0\na.webm 1\n')
    videos.pipeline = Compose([dict(type='VideoInit'), PIPELINE[0], nested(kind), PIPELINE[-1]])
    with pytest.raises(AssertionError):
        loaded(videos, 1)
    (videos.pipeline.transforms[2].transforms).transforms.insert(1, Fails())  # a user's callable
    with pytest.raises(KeyError, match='no such key'):
        loaded(videos, 1)
    (tmp_path / 'a.webm').unlink()
    with pytest.raises(RuntimeError, match='2 consecutive samples cannot be read'):
        loaded(videos, 0)


def test_dataset_is_not_wrapped(webm, tmp_path):
    shutil.copy(webm, tmp_path / 'a.webm')
    videos = dataset(tmp_path, 'a.webm 0\nno.webm 1\n', test_mode=True, metainfo=dict(classes=['x', 'y']))
    assert type(videos) is VideoDataset and videos.metainfo['classes'] == ['x', 'y'] and len(videos) == 2
    assert len(videos.get_subset([0])) == 1 and videos.test_mode
    with pytest.raises(ValueError, match='no.webm cannot be read'):
        videos[1]
    np.random.seed(0)
    ours = loaded(videos, 0)
    np.random.seed(0)
    theirs = videos[0]
    assert ours['inputs'].equal(theirs['inputs']) and ours['data_samples'].gt_label == theirs['data_samples'].gt_label


def test_test_label_is_kept_in_nested_datasets(webm, tmp_path):
    shutil.copy(webm, tmp_path / 'a.webm')
    videos = dataset(tmp_path, 'a.webm 0\nno.webm 1\n', test_mode=True)
    both = ConcatDataset([videos, videos])
    load_through(both, replace_damaged)
    sample = loaded(both, 1)['data_samples']
    assert sample.gt_label.item() == 1 and list(sample.damaged) == [str(tmp_path / 'no.webm')]


class Own(Dataset):
    """A user's dataset that is not MMEngine's."""

    def __init__(self, videos, key='data_samples'):
        self.videos, self.key = videos, key

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index):
        sample = self.videos[index]
        return {'inputs': sample['inputs'], self.key: sample['data_samples']}


@pytest.mark.parametrize('kind', [Own, lambda videos: Subset(videos, [0, 1])], ids=['Own', 'Subset'])
def test_samples_of_other_datasets_are_replaced(webm, tmp_path, kind):
    shutil.copy(webm, tmp_path / 'a.webm')
    videos = kind(dataset(tmp_path, 'no.webm 1\na.webm 0\n'))
    load_through(videos, replace_damaged)
    sample = loaded(videos, 0)['data_samples']
    assert 'no.webm cannot be read' in next(iter(sample.damaged.values())) and 'damaged' not in loaded(videos, 1)


def test_error_is_raised_if_samples_cannot_report_damage(webm, tmp_path):
    shutil.copy(webm, tmp_path / 'a.webm')
    videos = Own(dataset(tmp_path, 'no.webm 1\na.webm 0\n'), key='label')
    load_through(videos, replace_damaged)
    with pytest.raises(ValueError, match='no.webm cannot be read'):
        loaded(videos, 0)
    assert set(loaded(videos, 1)) == {'inputs', 'label'}


def test_all_copies_of_a_repeated_augmentation_report_damage(webm, tmp_path):
    shutil.copy(webm, tmp_path / 'a.webm')
    (tmp_path / 'list.txt').write_text('no.webm 1\na.webm 0\n')
    steps = [dict(type='DecordInit'), PIPELINE[0], dict(type='DecordDecode'), *PIPELINE[-2:]]
    settings = dict(ann_file=str(tmp_path / 'list.txt'), data_prefix=dict(video=str(tmp_path)), pipeline=steps)
    videos = build_replacing('RepeatAugDataset', num_repeats=2, **settings)
    assert [list(copy['data_samples'].damaged) for copy in loaded(videos, 0)] == [[str(tmp_path / 'no.webm')]] * 2


def test_dataset_with_getitems_is_supported(webm, tmp_path):
    class Batches(Own):
        __getitem__ = None

        def __getitems__(self, indices):
            return [self.videos[index] for index in indices]

    shutil.copy(webm, tmp_path / 'a.webm')
    videos = Batches(dataset(tmp_path, 'no.webm 1\na.webm 0\n'))
    load_through(videos, replace_damaged)
    assert 'damaged' in loaded(videos, 0)['data_samples']
    load_through([1, 2], replace_damaged)  # a list of samples
