"""The table of docs/guides/backbones.md contains the results of the checks."""

import pytest
from backbone_checks import CHECKS
from backbone_table import DOCS, ROWS, read, render
from mmaction.models import backbones as parents

from dyreg_mmaction.models.backbones import ABSENT

# backbones for which the suite computes a column; all others: all
ROWS_OF = {
    'bit-equal start': (),  # test_backbones.py
    'train': (),  # test_backbones.py
    'compile': ('ResNetTSM', 'ResNet3d', 'SwinTransformer3D', 'VisionTransformer'),  # one of each kind of layout
    'ONNX': ('SwinTransformer3D', 'VisionTransformer'),  # CNNs: test_export.py
}
PARTS = {'ResNet3dLayer'}  # building blocks of other backbones, without a recognizer


def test_docs_contain_the_results():
    assert render(read()) in DOCS.read_text()


def test_every_backbone_of_mmaction2_is_listed():
    assert set(read()) == set(ROWS)
    assert set(parents.__all__) <= set(ROWS) | set(ABSENT) | PARTS


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize(
    ('row', 'column'),
    [(row, column) for row in ROWS for column in CHECKS if row in ROWS_OF.get(column, ROWS)],
)
def test_results_are_those_of_the_checks(row, column):
    assert CHECKS[column](ROWS[row]) == read()[row][column]
