"""Scores of a clip with some nodes closed."""

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
    """Log-odds and probability of the explained class, both (K,)."""

    score: np.ndarray
    probability: np.ndarray


def one_batch(model: nn.Module, clip: Tensor | Mapping[str, Any]) -> tuple[Tensor, ActionDataSample]:
    """Return the preprocessed inputs (1, ...) of a clip (see :func:`.explain`) and its data sample."""
    sample = dict(clip) if isinstance(clip, Mapping) else dict(inputs=clip, data_samples=ActionDataSample())
    batch = cast(Any, model).data_preprocessor(pseudo_collate([sample]), False)
    return batch['inputs'], batch['data_samples'][0]


def head_outputs(model: nn.Module, inputs: Tensor, samples: list[ActionDataSample]) -> Tensor:
    """Return the head's outputs for all views of the clips, (B * V, C), before views are averaged."""
    outputs: list[Tensor] = []
    hook = listen(cast(Any, model).cls_head, lambda _, __, output: outputs.append(output))
    try:
        with eagerly(model):
            model(inputs, [copy.copy(sample) for sample in samples], mode='predict')
    finally:
        hook.remove()
    return torch.cat(outputs)


class ClosedScores:
    """Scores of a clip with given nodes closed.

    Args: see :func:`.explain`.

    Attributes:
        target (int): The explained class.
        shapes (dict[str, tuple[int, int]]): Numbers of frames and nodes, (T, N), by the path of each region graph.
        regions (dict[str, Regions]): Regions (V, T, N, 2) in 0..1 of the crop, by path.

    Raises:
        ValueError: If the model has no region graph or is in training mode, or the class does not exist.
    """

    def __init__(self, model: nn.Module, clip: Tensor | Mapping[str, Any], target: int | None, max_clips: int) -> None:
        self.recognizer = cast(Any, model)
        self.graphs = region_graphs(model)
        if not self.graphs:
            raise ValueError(
                f'{type(model).__name__} has no region graph to explain; add plugins=[...] to its backbone'
            )
        if model.training:
            raise ValueError(f'{type(model).__name__} is in training mode; call its eval() first')
        self.inputs, self.sample = one_batch(model, clip)
        self.shapes: dict[str, tuple[int, int]] = {}
        self.regions: dict[str, Regions] = {}
        logits = self._record()  # (V,C)
        self.views, num_classes = logits.shape
        if target is not None and not 0 <= target < num_classes:
            raise ValueError(f'class {target} does not exist; choose one of the classes 0 to {num_classes - 1}')
        self.target = int(self._log_odds(logits).argmax()) if target is None else target
        chunked = (self.recognizer.test_cfg or {}).get('max_testing_views')  # MMAction2 supports it for one sample only
        self.batch_size = 1 if chunked else max(1, max_clips // self.views)

    @property
    def num_nodes(self) -> int:
        """Total number M of nodes of all region graphs."""
        return sum(num_nodes for _, num_nodes in self.shapes.values())

    def split(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Split values of all nodes (..., M) into values (..., N) by the path of their graph."""
        ends = np.cumsum([num_nodes for _, num_nodes in self.shapes.values()])[:-1]
        return dict(zip(self.shapes, np.split(values, ends, axis=-1), strict=True))

    def close(self, nodes: np.ndarray) -> Scores:
        """Return the scores with each of K sets of nodes, bool (K, M), closed in all frames."""
        different, index = np.unique(nodes, axis=0, return_inverse=True)
        scores = self.close_in_frames({path: mask[:, None] for path, mask in self.split(different).items()})
        return Scores(*(values[index.ravel()] for values in scores))

    def close_in_frames(self, closed: Mapping[str, np.ndarray]) -> Scores:
        """Return the scores with each of K sets of nodes closed in some frames: masks (K, T, N) by graph path."""
        masks = {path: torch.from_numpy(mask).to(self.inputs.device) for path, mask in closed.items()}
        total = len(next(iter(masks.values())))
        starts = range(0, total, self.batch_size)
        chunks = [self._run({path: mask[i : i + self.batch_size] for path, mask in masks.items()}) for i in starts]
        odds = torch.cat(chunks)
        return Scores(odds.numpy(), odds.sigmoid().numpy())

    def _run(self, closed: Mapping[str, Tensor]) -> Tensor:
        """Return the log-odds of the class with each set closed, (K,)."""
        count = len(next(iter(closed.values())))
        every_view: dict[nn.Module, Tensor] = {
            self.graphs[path]: mask.repeat_interleave(self.views, 0) for path, mask in closed.items()
        }
        with close_nodes(every_view):
            logits = self._predict(count)  # (K*V,C)
        return torch.stack([self._log_odds(views)[self.target] for views in logits.chunk(count)])

    def _predict(self, count: int) -> Tensor:
        """Return the head's outputs, (count * V, C), for ``count`` copies of the clip."""
        inputs = self.inputs.repeat(count, *[1] * (self.inputs.ndim - 1))
        return head_outputs(self.recognizer, inputs, [self.sample] * count).double().cpu()

    def _log_odds(self, logits: Tensor) -> Tensor:
        """Return the log-odds (C,) of a clip from the outputs (V, C) of its views."""
        if self.recognizer.cls_head.average_clips == 'score':
            logits = logits.mean(0, keepdim=True)
        log_p = logits.log_softmax(-1).logsumexp(0) - np.log(len(logits))  # (C,)
        others = log_p.repeat(len(log_p), 1).fill_diagonal_(-torch.inf).logsumexp(-1)
        return log_p - others

    def _record(self) -> Tensor:
        """Predict with all nodes open, and record shapes and regions of the graphs."""
        hooks = []
        for path, graph in self.graphs.items():

            def record_shape(_: nn.Module, args: tuple, __: Tensor, path: str = path) -> None:
                self.shapes[path] = (args[0].shape[1], args[0].shape[2])

            def record_regions(_: nn.Module, __: tuple, output: Regions | Tensor, path: str = path) -> None:
                regions = map_regions(output) if isinstance(output, Tensor) else output
                self.regions[path] = regions.normalized()

            hooks.append(listen(graph.graph, record_shape))
            hooks.append(listen(graph.regions, record_regions))
        try:
            return self._predict(1)
        finally:
            for hook in hooks:
                hook.remove()
