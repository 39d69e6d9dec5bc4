"""The table of docs/guides/backbones.md contains the results of the checks."""

import pytest
from backbone_checks import CHECKS
from backbone_table import DOCS, ROWS, read, render
from mmaction.models import backbones as parents

from dyreg_mmaction.models.backbones import ABSENT

EXPENSIVE = {'compile', 'ONNX'}  # recomputed in the suite for one backbone of each kind of layout
OF_EACH_KIND = {'ResNetTSM', 'ResNet3d', 'SwinTransformer3D', 'VisionTransformer'}
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
    [(row, column) for row in ROWS for column in CHECKS if column not in EXPENSIVE or row in OF_EACH_KIND],
)
def test_results_are_those_of_the_checks(row, column):
    assert CHECKS[column](ROWS[row]) == read()[row][column]
