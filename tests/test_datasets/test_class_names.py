"""Class names from a config and from files next to its list."""

import json

import pytest

from dyreg_mmaction.compat.inferencers import class_names as inferencer_names
from dyreg_mmaction.datasets.class_names import dataset_classes
from dyreg_mmaction.visualization.predict import class_names

NAMES = ['Pushing something', 'Approaching something']


@pytest.fixture
def data(tmp_path):
    """Return the config of a dataset whose list is in a folder."""
    (tmp_path / 'list.txt').write_text('a.webm 0\n')
    return dict(type='VideoDataset', ann_file='list.txt', data_root=str(tmp_path))


def labels_json(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({name: str(number) for number, name in reversed([*enumerate(NAMES)])}))


@pytest.mark.parametrize('folder', ['', 'labels', 'annotations'])
@pytest.mark.parametrize('name', ['labels.json', 'something-something-v2-labels.json'])
def test_labels_of_something_something_in_the_order_of_their_numbers(data, tmp_path, folder, name):
    labels_json(tmp_path / folder / name)
    assert dataset_classes(data) == NAMES


def test_classes_txt_next_to_the_list(data, tmp_path):
    (tmp_path / 'classes.txt').write_text('cut\n\npour\n')
    labels_json(tmp_path / 'labels/labels.json')
    assert dataset_classes(data) == ['cut', 'pour']


def test_metainfo_has_priority_as_names_or_file(data, tmp_path):
    labels_json(tmp_path / 'labels.json')
    assert dataset_classes(dict(data, metainfo=dict(classes=('a', 'b')))) == ['a', 'b']
    (tmp_path / 'mine.txt').write_text('c\nd\n')
    assert dataset_classes(dict(data, metainfo=dict(classes=str(tmp_path / 'mine.txt')))) == ['c', 'd']


def test_file_with_another_number_of_classes_is_ignored(data, tmp_path):
    labels_json(tmp_path / 'labels.json')
    assert dataset_classes(data, num_classes=2) == NAMES
    assert dataset_classes(data, num_classes=174) is None


@pytest.mark.parametrize('text', ['{', '[1, 2]', '{"a": "b"}', '\x00'])
def test_invalid_file_is_ignored(data, tmp_path, text):
    (tmp_path / 'labels.json').write_text(text)
    assert dataset_classes(data) is None


def test_reports_and_inferencers_have_class_names(data, tmp_path):
    from mmengine.config import Config

    labels_json(tmp_path / 'labels/labels.json')
    loader = dict(dataset=data)
    cfg = Config(dict(model=dict(cls_head=dict(num_classes=2)), val_dataloader=loader, test_dataloader=loader))
    assert class_names(cfg) == inferencer_names(cfg, None) == NAMES
    assert inferencer_names(cfg, dict(classes=['x', 'y'])) == ['x', 'y']
