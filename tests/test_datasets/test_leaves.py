"""Nested datasets and their paths in a config."""

from dyreg_mmaction.datasets.leaves import leaf_datasets

VIDEOS, FRAMES = dict(type='VideoDataset'), dict(type='RawframeDataset')


def test_leaf_datasets_are_found_with_their_paths():
    repeated = dict(type='RepeatDataset', times=2, dataset=FRAMES)
    both = dict(type='ConcatDataset', datasets=[VIDEOS, repeated])
    assert list(leaf_datasets(both, 'train')) == [('train.datasets.0', VIDEOS), ('train.datasets.1.dataset', FRAMES)]
    assert list(leaf_datasets(VIDEOS, 'val_dataloader.dataset')) == [('val_dataloader.dataset', VIDEOS)]
    assert list(leaf_datasets(None)) == []
