"""Which nodes a prediction depends on: its change when nodes are closed."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dyreg_mmaction.ops import Regions

from .closed_scores import ClosedScores

RANDOM_ORDERS = 20
MAX_CLIPS = 32  # in one forward; a clip is a view of a variant


class Curves(NamedTuple):
    """Probability of the class while the M nodes of a model are closed, or opened, one after another.

    Attributes:
        deletion (ndarray[M + 1]): With 0..M nodes closed.
        insertion (ndarray[M + 1]): With 0..M nodes open.
    """

    deletion: np.ndarray
    insertion: np.ndarray


class Explanation(NamedTuple):
    r"""How the prediction of a clip depends on its nodes.

    The score of a class is its log-odds, :math:`s = \log p / (1 - p)`, with p its probability, averaged over the views
    of the clip. The effect of a node is the score with all nodes open less the score with this node closed, see
    :func:`.close_nodes`: it is positive where the node speaks for the class.

    Attributes:
        target (int): The class.
        probability (float): Its probability with all nodes open.
        score (float): Its log-odds with all nodes open.
        effects (dict[str, ndarray[N]]): Effect of each node, by the path of each plugin.
        without (dict[str, ndarray[N]]): Probability of the class without the node.
        frame_effects (dict[str, ndarray[T, N]]): Effect of each node in each frame alone; {} unless asked for.
        motion (dict[str, ndarray[N]]): Standard deviation of each centre over the frames, in 0..1 of the crop.
        regions (dict[str, Regions]): Regions of the nodes, (V, T, N, 2), in 0..1 of the crop.
        curves (dict[str, Curves]): By the order of the nodes: 'effect' (largest first), 'motion' (largest first),
            'random' (mean over random orders).
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
        """All nodes, as (path, index), those of the largest effect first."""
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

    Nodes are closed in copies of the clip that run in one batch; nothing is approximated and the model is not changed.

    .. code:: python

        explanation = explain(model, sample)  # a sample of the test pipeline
        explanation.effects['layer3.4.conv2.conv']  # (N,)

    Args:
        model (nn.Module): A recognizer, in eval mode, that holds a :class:`.RegionGraph`: in a plugin, a neck or a
            head. Not a compiled one.
        clip (Tensor | Mapping): A sample of a test pipeline, ``dict(inputs=..., data_samples=...)``, or its ``inputs``:
            RGB, 0..255, (V*T, C, H, W) for a Recognizer2D, (V, C, T, H, W) for a Recognizer3D.
        target (int, optional): The class; None: the predicted one.
        per_frame (bool): Whether each node is closed in each frame alone too.
        random_orders (int): Number of random orders that the random curves average.
        max_clips (int): Clips in one forward at most, views counted.

    Raises:
        ValueError: If the model has no region graph, is in training mode, or has no such class.
    """
    scores = ClosedScores(model, clip, target, max_clips)
    size = scores.num_nodes
    every, alone = np.zeros((1, size), bool), np.eye(size, dtype=bool)
    found = scores.close(np.concatenate([every, alone]))
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
    """Standard deviation of each centre over the frames, (N,), averaged over the views."""
    return regions.center.double().cpu().var(1, correction=0).sum(-1).sqrt().mean(0).numpy()


def _frame_effects(scores: ClosedScores) -> dict[str, np.ndarray]:
    effects = {}
    for path, shape in scores.shapes.items():
        alone = np.eye(shape[0] * shape[1], dtype=bool).reshape(-1, *shape)
        found = scores.close_in_frames({path: np.concatenate([np.zeros_like(alone[:1]), alone])})
        effects[path] = (found.score[0] - found.score[1:]).reshape(shape)
    return effects


def _curves(scores: ClosedScores, order: np.ndarray) -> Curves:
    """Curves of one order of the nodes, a permutation of 0..M-1."""
    closed = np.argsort(order) < np.arange(len(order) + 1)[:, None]  # (M+1,M): the first 0..M of the order
    found = scores.close(np.concatenate([closed, ~closed])).probability
    return Curves(*np.split(found, 2))


def _random_curves(scores: ClosedScores, orders: np.ndarray) -> Curves:
    """Mean curves of random orders (O, M). To open nodes in an order is to close them in its reverse, as random."""
    size = orders.shape[1]
    closed = np.argsort(orders)[:, None] < np.arange(size + 1)[:, None]  # (O,M+1,M)
    deletion = scores.close(closed.reshape(-1, size)).probability.reshape(-1, size + 1).mean(0)
    return Curves(deletion, deletion[::-1])
