"""Scores of one clip with some nodes closed."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from dyreg_mmaction.models.closing import close_nodes
from dyreg_mmaction.models.finding import region_graphs
from dyreg_mmaction.models.listening import eagerly, listen
from dyreg_mmaction.ops import Regions, map_regions


class Scores(NamedTuple):
    """Of the class that is explained: log-odds and probability, both (K,)."""

    score: np.ndarray
    probability: np.ndarray


def one_batch(model: nn.Module, clip: Tensor | Mapping[str, Any]) -> tuple[Tensor, ActionDataSample]:
    """Preprocessed inputs (1, ...) of a clip, see :func:`.explain`, and its data sample."""
    sample = dict(clip) if isinstance(clip, Mapping) else dict(inputs=clip, data_samples=ActionDataSample())
    batch = cast(Any, model).data_preprocessor(pseudo_collate([sample]), False)
    return batch['inputs'], batch['data_samples'][0]


def head_outputs(model: nn.Module, inputs: Tensor, samples: list[ActionDataSample]) -> Tensor:
    """What the head gives for the views of some clips, (B * V, C), before it averages them."""
    outputs: list[Tensor] = []
    hook = listen(cast(Any, model).cls_head, lambda _, __, output: outputs.append(output))
    try:
        with eagerly(model):
            model(inputs, [copy.copy(sample) for sample in samples], mode='predict')
    finally:
        hook.remove()
    return torch.cat(outputs)


class ClosedScores:
    """Scores of one clip, with the nodes closed that each call names.

    Args: see :func:`.explain`.

    Attributes:
        target (int): The class.
        shapes (dict[str, tuple[int, int]]): Frames and nodes, (T, N), by the path of each region graph.
        regions (dict[str, Regions]): In 0..1 of the crop, (V, T, N, 2), by path.

    Raises:
        ValueError: If the model has no region graph or is in training mode, or there is no such class.
    """

    def __init__(self, model: nn.Module, clip: Tensor | Mapping[str, Any], target: int | None, max_clips: int) -> None:
        self.recognizer = cast(Any, model)
        self.graphs = region_graphs(model)
        if not self.graphs:
            raise ValueError(f'{type(model).__name__} has no region graph to explain; give its backbone plugins=[...]')
        if model.training:
            raise ValueError(f'{type(model).__name__} is in training mode; call its eval() first')
        self.inputs, self.sample = one_batch(model, clip)
        self.shapes: dict[str, tuple[int, int]] = {}
        self.regions: dict[str, Regions] = {}
        logits = self._look()  # (V,C)
        self.views, num_classes = logits.shape
        if target is not None and not 0 <= target < num_classes:
            raise ValueError(f'class {target} does not exist; the model has the classes 0 to {num_classes - 1}')
        self.target = int(self._log_odds(logits).argmax()) if target is None else target
        in_parts = (self.recognizer.test_cfg or {}).get('max_testing_views')  # which MMAction2 does for one sample only
        self.batch_size = 1 if in_parts else max(1, max_clips // self.views)

    @property
    def num_nodes(self) -> int:
        """M, the nodes of all region graphs together."""
        return sum(num_nodes for _, num_nodes in self.shapes.values())

    def split(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Values of all nodes, (..., M), by the path of their graph, (..., N)."""
        ends = np.cumsum([num_nodes for _, num_nodes in self.shapes.values()])[:-1]
        return dict(zip(self.shapes, np.split(values, ends, axis=-1), strict=True))

    def close(self, nodes: np.ndarray) -> Scores:
        """Scores with each of K sets of nodes closed in all frames, bool (K, M)."""
        different, index = np.unique(nodes, axis=0, return_inverse=True)
        scores = self.close_in_frames({path: mask[:, None] for path, mask in self.split(different).items()})
        return Scores(*(values[index.ravel()] for values in scores))

    def close_in_frames(self, closed: Mapping[str, np.ndarray]) -> Scores:
        """Scores with each of K sets of nodes closed in some frames, by the path of graphs, bool (K, T, N)."""
        masks = {path: torch.from_numpy(mask).to(self.inputs.device) for path, mask in closed.items()}
        total = len(next(iter(masks.values())))
        starts = range(0, total, self.batch_size)
        parts = [self._run({path: mask[i : i + self.batch_size] for path, mask in masks.items()}) for i in starts]
        odds = torch.cat(parts)
        return Scores(odds.numpy(), odds.sigmoid().numpy())

    def _run(self, closed: Mapping[str, Tensor]) -> Tensor:
        """Log-odds of the class with each set closed, (K,)."""
        count = len(next(iter(closed.values())))
        every_view: dict[nn.Module, Tensor] = {
            self.graphs[path]: mask.repeat_interleave(self.views, 0) for path, mask in closed.items()
        }
        with close_nodes(every_view):
            logits = self._predict(count)  # (K*V,C)
        return torch.stack([self._log_odds(part)[self.target] for part in logits.chunk(count)])

    def _predict(self, count: int) -> Tensor:
        """Outputs of the head, (count * V, C), for so many copies of the clip."""
        inputs = self.inputs.repeat(count, *[1] * (self.inputs.ndim - 1))
        return head_outputs(self.recognizer, inputs, [self.sample] * count).double().cpu()

    def _log_odds(self, logits: Tensor) -> Tensor:
        """Log-odds (C,) of the probabilities that a clip gets from the outputs (V, C) of its views."""
        if self.recognizer.cls_head.average_clips == 'score':
            logits = logits.mean(0, keepdim=True)
        log_p = logits.log_softmax(-1).logsumexp(0) - np.log(len(logits))  # (C,)
        others = log_p.repeat(len(log_p), 1).fill_diagonal_(-torch.inf).logsumexp(-1)
        return log_p - others

    def _look(self) -> Tensor:
        """The prediction with nothing closed, which shows what the graphs look at."""
        hooks = []
        for path, graph in self.graphs.items():

            def see_nodes(_: nn.Module, args: tuple, __: Tensor, path: str = path) -> None:
                self.shapes[path] = (args[0].shape[1], args[0].shape[2])

            def see_regions(_: nn.Module, __: tuple, output: Regions | Tensor, path: str = path) -> None:
                regions = map_regions(output) if isinstance(output, Tensor) else output
                self.regions[path] = regions.normalized()

            hooks.append(listen(graph.graph, see_nodes))
            hooks.append(listen(graph.regions, see_regions))
        try:
            return self._predict(1)
        finally:
            for hook in hooks:
                hook.remove()
