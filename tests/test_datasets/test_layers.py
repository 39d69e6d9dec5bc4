"""Layers between a dataset and its DataLoaders: the dataset does not change, in this process or in a worker."""

import pickle

import pytest
from mmengine.dataset import BaseDataset
from torch.utils.data import DataLoader

from dyreg_mmaction.datasets.layers import load_through


class Numbers(BaseDataset):
    def load_data_list(self):
        return [dict(number=number) for number in range(4)]


def double(data):
    return 2 * data['number']


def square(data):
    return data['number'] ** 2


def plus_one(dataset, load, index):
    return load(index) + 1


def times_ten(dataset, load, index):
    return load(index) * 10


@pytest.fixture
def numbers():
    numbers = Numbers(pipeline=[double])
    load_through(numbers, plus_one)
    load_through(numbers, times_ten)
    return numbers


def samples(dataset, **options):
    return [sample for batch in DataLoader(dataset, batch_size=3, collate_fn=list, **options) for sample in batch]


def test_last_layer_is_outermost_and_the_dataset_is_unchanged(numbers):
    assert samples(numbers) == [10, 30, 50, 70]
    assert [numbers[index] for index in range(4)] == [0, 2, 4, 6]


def test_layer_is_added_once(numbers):
    load_through(numbers, plus_one)
    assert samples(numbers) == [10, 30, 50, 70]


@pytest.mark.parametrize('start', [None, 'fork', 'spawn'])
def test_attributes_of_the_dataset_reach_all_kinds_of_workers(numbers, start):
    numbers.pipeline = square
    options = {} if start is None else dict(num_workers=1, multiprocessing_context=start)
    assert samples(numbers, **options) == [10, 20, 50, 100]


def test_copy_has_its_own_layers(numbers):
    for copy in (pickle.loads(pickle.dumps(numbers)), numbers.get_subset([1, 2])):
        copy.pipeline = square
        assert samples(copy)[-1] == 10 * (copy[len(copy) - 1] + 1)
    assert samples(numbers) == [10, 30, 50, 70]
