"""Effects of nodes and the objects that they cover."""

import numpy as np
import pytest
import torch

from dyreg_mmaction.evaluation.explanation import Curves, Explanation
from dyreg_mmaction.evaluation.node_effects import (
    areas,
    distance_correlation,
    effects_by_place,
    mean_curves,
    node_effects,
)
from dyreg_mmaction.ops import Regions

BOXES = np.array([[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.9, 0.9]])  # the first is acting


def explanation(effects=(2.0, 0.5, -0.5), centers=((0.2, 0.2), (0.7, 0.8), (0.5, 0.1)), frames=4):
    center = torch.tensor(centers).expand(1, frames, -1, -1)
    effects = np.array(effects)
    curve = np.linspace(1, 0, len(effects) + 1)
    return Explanation(
        target=0,
        probability=1.0,
        score=3.0,
        effects=dict(place=effects),
        without=dict(place=1 / (1 + np.exp(effects - 3))),
        frame_effects={},
        motion=dict(place=np.zeros(len(effects))),
        regions=dict(place=Regions(center, torch.ones_like(center), (1, 1))),
        curves=dict(effect=Curves(curve**2, curve[::-1])),
    )


def objects(frames=4):
    return np.broadcast_to(BOXES, (1, frames, 2, 4))


def test_places_of_centers():
    rows = node_effects('clip', explanation(), objects(), np.array([True, False]))
    assert [row.place for row in rows] == ['acting', 'resting', 'background']
    assert [row.node for row in rows] == [0, 1, 2]
    assert [row.effect for row in rows] == [2.0, 0.5, -0.5]
    assert rows[0].distance == pytest.approx(0, abs=1e-6)
    assert rows[2].distance == pytest.approx(np.hypot(0.3, 0.1), abs=1e-6)


def test_no_places_without_objects():
    rows = node_effects('clip', explanation())
    assert {row.place for row in rows} == {''} and all(np.isnan(row.distance) for row in rows)
    assert effects_by_place(rows) == {}


def test_unseen_objects_have_no_nodes():
    unseen = np.full((1, 4, 2, 4), np.nan)
    rows = node_effects('clip', explanation(), unseen, np.array([True, False]))
    assert {row.place for row in rows} == {'background'} and all(np.isnan(row.distance) for row in rows)


def test_effects_are_averaged_by_place():
    rows = node_effects('a', explanation(), objects(), np.array([True, False]))
    rows += node_effects('b', explanation(effects=(1.0, 3.0, 0.0)), objects(), np.array([True, False]))
    found = effects_by_place(rows)
    assert found['acting'] == dict(nodes=pytest.approx(1 / 3), effect=1.5, strongest=0.5)
    assert found['resting'] == dict(nodes=pytest.approx(1 / 3), effect=1.75, strongest=0.5)
    assert found['background']['strongest'] == 0


def test_correlation_of_effect_and_distance_is_within_clips():
    rows = node_effects('a', explanation(), objects(), np.array([True, False]))  # distances 0, 0.78 and 0.32
    assert distance_correlation(rows) == pytest.approx(-0.5)
    rows += node_effects('b', explanation(effects=(1.0, 3.0, 0.0)), objects(), np.array([True, False]))
    assert distance_correlation(rows) == pytest.approx((-0.5 + 0.5) / 2)
    equal = node_effects('c', explanation(effects=(1.0, 1.0, 1.0)), objects(), np.array([True, False]))
    assert distance_correlation(rows + equal) == pytest.approx(0)
    noise = node_effects('e', explanation(effects=(1.0, 1.0000002, 1.0)), objects(), np.array([True, False]))
    nan = node_effects('f', explanation(effects=(np.nan, np.nan, 1.0)), objects(), np.array([True, False]))
    assert distance_correlation(rows + noise + nan) == pytest.approx(0)
    assert np.isnan(distance_correlation(equal)) and np.isnan(distance_correlation(node_effects('d', explanation())))


def test_areas_of_mean_curves():
    curves = mean_curves([explanation(), explanation()])
    found = areas(curves)['effect']
    assert found['insertion'] == pytest.approx(0.5)
    assert found['deletion'] == pytest.approx(np.mean([(1 + 4 / 9) / 2, (4 / 9 + 1 / 9) / 2, 1 / 18]))
