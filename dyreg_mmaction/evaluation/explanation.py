"""Explanation of a prediction by its change when nodes are closed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions

from .closed_scores import ClosedScores

RANDOM_ORDERS = 20
MAX_CLIPS = 32  # clips per forward; each view of each variant is a clip


class Curves(NamedTuple):
    """Probability of the class while the M nodes of a model are closed or opened one by one.

    Attributes:
        deletion (ndarray[M + 1]): With 0..M nodes closed.
        insertion (ndarray[M + 1]): With 0..M nodes open.
    """

    deletion: np.ndarray
    insertion: np.ndarray


class Explanation(NamedTuple):
    r"""Dependence of a clip's prediction on its nodes.

    The score of a class is its log-odds, :math:`s = \log p / (1 - p)`, where p is its probability, averaged over the
    views of the clip. The effect of a node is the score with all nodes open minus the score with this node closed, see
    :func:`.close_nodes`. It is positive if the node supports the class.

    Attributes:
        target (int): The class.
        probability (float): Its probability with all nodes open.
        score (float): Its log-odds with all nodes open.
        effects (dict[str, ndarray[N]]): Effect of each node, by plugin path.
        without (dict[str, ndarray[N]]): Probability of the class without the node.
        frame_effects (dict[str, ndarray[T, N]]): Effect of each node in each single frame; {} unless requested.
        motion (dict[str, ndarray[N]]): Standard deviation of each center over the frames, in 0..1 of the crop.
        regions (dict[str, Regions]): Regions of the nodes, (V, T, N, 2), in 0..1 of the crop.
        curves (dict[str, Curves]): Curves by node order: 'effect' (largest first), 'motion' (largest first), 'random'
            (mean over random orders).
    """

    target: int
    probability: float
    score: float
    effects: dict[str, np.ndarray]
    without: dict[str, np.ndarray]
    frame_effects: dict[str, np.ndarray]
    motion: dict[str, np.ndarray]
    regions: dict[str, Regions]
    curves: dict[str, Curves]

    def ranking(self) -> list[tuple[str, int]]:
        """Return all nodes as (path, index), sorted by decreasing effect."""
        nodes = [(path, index) for path, effects in self.effects.items() for index in range(len(effects))]
        return sorted(nodes, key=lambda node: -self.effects[node[0]][node[1]])


@torch.no_grad()
def explain(
    model: nn.Module,
    clip: Tensor | Mapping[str, Any],
    target: int | None = None,
    per_frame: bool = False,
    random_orders: int = RANDOM_ORDERS,
    max_clips: int = MAX_CLIPS,
) -> Explanation:
    """Measure how the prediction of a clip depends on each node of each plugin.

    Copies of the clip with different nodes closed run in one batch. The effects are exact, and the model is unchanged.

    .. code:: python

        explanation = explain(model, sample)  # a sample of the test pipeline
        explanation.effects['layer3.4.conv2.conv']  # (N,)

    Args:
        model (nn.Module): An uncompiled recognizer in eval mode with a :class:`.RegionGraph` in a plugin, a neck or a
            head.
        clip (Tensor | Mapping): A sample of a test pipeline, ``dict(inputs=..., data_samples=...)``, or its ``inputs``:
            RGB, 0..255, (V*T, C, H, W) for a Recognizer2D, (V, C, T, H, W) for a Recognizer3D.
        target (int, optional): The class. Defaults to the predicted class.
        per_frame (bool): Whether to measure the effect of each node in each single frame.
        random_orders (int): Number of random orders over which the random curves are averaged.
        max_clips (int): Largest number of clips per forward, including views.

    Returns:
        Explanation: The effects of all nodes.

    Raises:
        ValueError: If the model has no region graph or is in training mode, the class does not exist, or the
            scores are nan.
    """
    scores = ClosedScores(model, clip, target, max_clips)
    size = scores.num_nodes
    every, alone = np.zeros((1, size), bool), np.eye(size, dtype=bool)
    found = scores.close(np.concatenate([every, alone]))
    if np.isnan(found.probability[0]):
        raise ValueError('the scores of the clip are nan; check that its frames and the weights are finite')
    effects = found.score[0] - found.score[1:]  # (M,)
    motion = np.concatenate([_motion(scores.regions[path]) for path in scores.shapes])
    rng = np.random.default_rng(0)
    random = np.array([rng.permutation(size) for _ in range(random_orders)])
    return Explanation(
        target=scores.target,
        probability=float(found.probability[0]),
        score=float(found.score[0]),
        effects=scores.split(effects),
        without=scores.split(found.probability[1:]),
        frame_effects=_frame_effects(scores) if per_frame else {},
        motion=scores.split(motion),
        regions=scores.regions,
        curves=dict(
            effect=_curves(scores, np.argsort(-effects, kind='stable')),
            motion=_curves(scores, np.argsort(-motion, kind='stable')),
            random=_random_curves(scores, random),
        ),
    )


def _motion(regions: Regions) -> np.ndarray:
    """Return the standard deviation of each center over the frames, (N,), averaged over the views."""
    return regions.center.double().cpu().var(1, correction=0).sum(-1).sqrt().mean(0).numpy()


def _frame_effects(scores: ClosedScores) -> dict[str, np.ndarray]:
    effects = {}
    for path, shape in scores.shapes.items():
        alone = np.eye(shape[0] * shape[1], dtype=bool).reshape(-1, *shape)
        found = scores.close_in_frames({path: np.concatenate([np.zeros_like(alone[:1]), alone])})
        effects[path] = (found.score[0] - found.score[1:]).reshape(shape)
    return effects


def _curves(scores: ClosedScores, order: np.ndarray) -> Curves:
    """Return the curves of one order of the nodes, a permutation of 0..M-1."""
    closed = np.argsort(order) < np.arange(len(order) + 1)[:, None]  # (M+1,M): the first 0..M of the order
    found = scores.close(np.concatenate([closed, ~closed])).probability
    return Curves(*np.split(found, 2))


def _random_curves(scores: ClosedScores, orders: np.ndarray) -> Curves:
    """Return the mean curves of random orders (O, M). Opening nodes in an order equals closing them in reverse."""
    size = orders.shape[1]
    closed = np.argsort(orders)[:, None] < np.arange(size + 1)[:, None]  # (O,M+1,M)
    deletion = scores.close(closed.reshape(-1, size)).probability.reshape(-1, size + 1).mean(0)
    return Curves(deletion, deletion[::-1])
