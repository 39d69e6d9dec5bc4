"""Relation between the effects of nodes and the objects that they cover."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from .distances import mean
from .explanation import Curves, Explanation
from .object_distance import objects_of_frames

PLACES = ('acting', 'resting', 'background')
NOISE_DIGITS = 5  # effects are differences of float32 scores, so smaller ones are noise


class NodeEffect(NamedTuple):
    """Effect and position of a node of a clip.

    Attributes:
        clip (str): Name of the clip.
        plugin (str): Path of the plugin.
        node (int): Index of the node.
        effect (float): Effect of the node, see :class:`.Explanation`.
        without (float): Probability of the class without the node.
        motion (float): Standard deviation of the center over the frames, in 0..1 of the crop.
        x, y (float): Mean center, in 0..1 of the crop.
        place (str): Position of the center in most frames: in an 'acting' object, in a 'resting' object, or on
            'background'; '' if the clip has no objects.
        distance (float): Mean distance between the center and that of the nearest acting object, nan without one.
    """

    clip: str
    plugin: str
    node: int
    effect: float
    without: float
    motion: float
    x: float
    y: float
    place: str
    distance: float


def node_effects(
    clip: str, explanation: Explanation, objects: np.ndarray | None = None, acting: np.ndarray | None = None
) -> list[NodeEffect]:
    """Return the effects of all nodes of a clip.

    Args:
        clip (str): Name of the clip.
        explanation (Explanation): The explanation of the clip.
        objects (ndarray[V, T, K, 4], optional): Object boxes, in 0..1 of the crop; nan if not visible.
        acting (ndarray[K], optional): Mask of the acting objects. Defaults to all.
    """
    rows = []
    for path, effects in explanation.effects.items():
        regions = explanation.regions[path]
        centers = regions.center.double().cpu().numpy()  # (V,T,N,2)
        places, distances = [''] * len(effects), np.full(len(effects), np.nan)
        if objects is not None:
            of_frames = objects_of_frames(objects, regions)
            active = np.ones(objects.shape[2], bool) if acting is None else np.asarray(acting, bool)
            places, distances = _places(centers, of_frames, active), _distances(centers, of_frames[:, :, active])
        middle = centers.mean((0, 1))  # (N,2)
        for node, effect in enumerate(effects):
            x, y = middle[node].tolist()
            without, motion = (float(values[path][node]) for values in (explanation.without, explanation.motion))
            place, distance = places[node], float(distances[node])
            rows.append(NodeEffect(clip, path, node, float(effect), without, motion, x, y, place, distance))
    return rows


def _places(centers: np.ndarray, boxes: np.ndarray, acting: np.ndarray) -> list[str]:
    """Return the place of each node in most frames, from centers (V, T, N, 2) and boxes (V, T, K, 4)."""
    points = centers[..., None, :]  # (V,T,N,1,2)
    low, high = boxes[..., None, :, :2], boxes[..., None, :, 2:]  # (V,T,1,K,2)
    inside = np.all((points >= low) & (points <= high), axis=-1)  # (V,T,N,K); nan compares as outside
    in_acting = inside[..., acting].any(-1)
    in_resting = inside[..., ~acting].any(-1) & ~in_acting
    fractions = np.stack([in_acting, in_resting, ~in_acting & ~in_resting]).mean((1, 2))  # (3,N)
    return [PLACES[place] for place in fractions.argmax(0)]


def _distances(centers: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the mean distance (N,) of centers (V, T, N, 2) to the nearest of the boxes (V, T, K, 4)."""
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    distance = np.linalg.norm(centers[..., None, :] - middle[..., None, :, :], axis=-1)  # (V,T,N,K)
    nearest = np.where(np.isnan(distance), np.inf, distance).min(-1, initial=np.inf)  # (V,T,N)
    known = np.isfinite(nearest)
    totals, counts = np.where(known, nearest, 0).sum((0, 1)), known.sum((0, 1))
    return np.array([mean(*both) for both in zip(totals, counts, strict=True)])


def effects_by_place(rows: Sequence[NodeEffect]) -> dict[str, dict[str, float]]:
    """Aggregate the effects of nodes on acting objects, on resting objects and on background.

    Args:
        rows (Sequence[NodeEffect]): The nodes of all clips.

    Returns:
        dict[str, dict[str, float]]: Values by place: ``nodes``: fraction of all nodes; ``effect``: mean effect;
        ``strongest``: fraction of clips whose node with the largest effect is there. {} without objects.
    """
    placed = [row for row in rows if row.place]
    clips: dict[str, list[NodeEffect]] = {}
    for row in placed:
        clips.setdefault(row.clip, []).append(row)
    strongest = [max(nodes, key=lambda row: row.effect).place for nodes in clips.values()]
    found = {}
    for place in PLACES if placed else ():
        effects = [row.effect for row in placed if row.place == place]
        found[place] = dict(
            nodes=len(effects) / len(placed),
            effect=mean(sum(effects), len(effects)),
            strongest=strongest.count(place) / len(strongest),
        )
    return found


def distance_correlation(rows: Sequence[NodeEffect]) -> float:
    """Return the rank correlation between the effect of a node and its distance from the nearest acting object.

    Returns:
        float: Spearman's coefficient over the nodes of a clip, averaged over the clips with acting objects; negative if
        nodes near acting objects have larger effects; nan if no clip has acting objects or if all effects of each clip
        are equal to five digits. Nodes whose effect is not finite are ignored.
    """
    clips: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if np.isfinite(row.distance) and np.isfinite(row.effect):
            clips.setdefault(row.clip, []).append((round(row.effect, NOISE_DIGITS), row.distance))
    pairs = [np.array(nodes).T for nodes in clips.values()]
    found = [spearmanr(*pair).statistic for pair in pairs if np.ptp(pair, axis=1).all()]
    return mean(float(np.sum(found)), len(found))


def mean_curves(explanations: Sequence[Explanation]) -> dict[str, Curves]:
    """Return the curves averaged over clips, by node order."""
    names = explanations[0].curves
    return {
        name: Curves(*(np.mean(curves, axis=0) for curves in zip(*(e.curves[name] for e in explanations), strict=True)))
        for name in names
    }


def areas(curves: dict[str, Curves]) -> dict[str, dict[str, float]]:
    """Return the areas under the curves, in 0..1.

    If the first nodes of an order are important, the deletion area is small and the insertion area is large.
    """
    return {name: {kind: _area(curve) for kind, curve in both._asdict().items()} for name, both in curves.items()}


def _area(curve: np.ndarray) -> float:
    return float((curve[1:] + curve[:-1]).mean() / 2)
