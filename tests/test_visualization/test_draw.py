"""Regions drawn over frames."""

import numpy as np
import pytest
import torch

from dyreg_mmaction.ops import Regions
from dyreg_mmaction.visualization import contact_sheet, draw_regions


def regions(time=4, nodes=2):
    center = torch.full((1, time, nodes, 2), 7.0)
    center[0, :, 0] = torch.tensor((3.5, 7.0))
    return Regions(center, torch.full_like(center, 2.0), (14, 14))


def test_box_lies_where_the_region_is():
    drawn = draw_regions(np.zeros((4, 64, 64, 3), np.uint8), regions(nodes=1), width=140)
    rows, columns = np.nonzero(drawn[0].any(-1))
    assert abs(columns.min() - 15) <= 1 and abs(columns.max() - 54) <= 1  # (3.5 -+ 2) / 14 * 140
    assert abs(rows.min() - 50) <= 1 and abs(rows.max() - 89) <= 1


def test_nodes_have_colours_of_their_own():
    drawn = draw_regions(np.zeros((4, 64, 64, 3), np.uint8), regions(), width=140)
    assert len({tuple(c) for c in drawn[0].reshape(-1, 3)}) > 2


def test_frames_after_temporal_pooling_share_regions():
    parts = regions(time=2)
    parts.center[0, 1] += 4
    drawn = draw_regions(np.zeros((4, 32, 32, 3), np.uint8), parts)
    assert (drawn[0] == drawn[1]).all() and (drawn[2] == drawn[3]).all() and (drawn[1] != drawn[2]).any()


def test_several_clips_are_refused():
    twice = regions()
    with pytest.raises(ValueError, match='2 clips'):
        draw_regions(np.zeros((4, 8, 8, 3), np.uint8), twice._replace(center=twice.center.expand(2, -1, -1, -1)))


def test_contact_sheet_has_a_row_per_clip():
    rows = [np.zeros((4, 20, 30, 3), np.uint8)] * 3
    assert contact_sheet(rows, ['a', 'b', 'c']).shape == (3 * 42, 120, 3)
