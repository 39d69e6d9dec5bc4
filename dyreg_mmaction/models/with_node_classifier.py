"""Recognizers that train regions by an auxiliary classifier of their nodes."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from .building import apart_from_seed
from .finding import region_graphs
from .node_classifier import NodeClassifier, pool_nodes, record_maps
from .size import positive_integer

NAME = 'node_classifier'


class WithNodeClassifier:
    """Mixin before a recognizer with plugins that have regions. It adds the loss of a :class:`.NodeClassifier`.

    The loss is the head's, of the scores of each frame and the label of its video, averaged over frames and summed over
    plugins: it requires only class labels. The classifier is not used in testing. Its weights, ``node_classifier.*``,
    are in the checkpoint for resuming; models load checkpoints with and without them.

    Args:
        *args: Arguments of the recognizer.
        node_classifier (dict, optional): ``weight`` of the loss, by default 1, and ``hidden_channels`` of the
            classifier, by default 64. Defaults to no classifier.
        **kwargs: Arguments of the recognizer.

    Raises:
        ValueError: If an option is unknown or out of range, no plugin has regions, or the head has no classes.
    """

    node_classifier: NodeClassifier | None

    def __init__(self, *args, node_classifier: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.node_classifier = None
        if node_classifier is None:
            return
        weight, hidden_channels = _options(node_classifier)
        widths = {path: graph.node_channels for path, graph in region_graphs(self).items()}  # type: ignore[arg-type]
        if not widths:
            raise ValueError(
                'node_classifier requires a plugin with regions, but the model has none; add one, like '
                "plugins=[dict(type='DyRegGNN', after=...)], or remove node_classifier"
            )
        num_classes = getattr(getattr(self, 'cls_head', None), 'num_classes', None)
        if num_classes is None:
            raise ValueError('node_classifier requires a cls_head with num_classes; add one, or remove node_classifier')
        self.node_weight = weight
        with apart_from_seed():
            self.node_classifier = NodeClassifier(widths, num_classes, hidden_channels)

    def loss(self, inputs: Tensor, data_samples: list, **kwargs) -> dict[str, Tensor]:
        """Return the losses of the recognizer, and the loss and the accuracy of the node classifier.

        Raises:
            ValueError: If the nodes of a plugin have no gradient.
        """
        if self.node_classifier is None:
            return super().loss(inputs, data_samples, **kwargs)  # type: ignore[misc]
        every = region_graphs(self)  # type: ignore[arg-type]
        graphs = {path: every[path] for path in self.node_classifier.paths}
        with record_maps(self, graphs) as record:  # type: ignore[arg-type]
            losses = super().loss(inputs, data_samples, **kwargs)  # type: ignore[misc]
        # pooled here, not in the hooks, because activation checkpointing runs the plugins twice
        nodes = {path: pool_nodes(*record[path], graph.kernel) for path, graph in graphs.items()}
        for path, each in nodes.items():
            if torch.is_grad_enabled() and not each.requires_grad:
                raise ValueError(
                    f'the nodes of plugin {path!r} have no gradient, which node_classifier requires; unfreeze the '
                    'plugin, and with activation checkpointing (with_cp=True) put it after a whole block'
                )
        scores = self.node_classifier(nodes)
        values = [self._frame_losses(each, data_samples) for each in scores]
        loss = sum(each[key] for each in values for key in each if 'loss' in key)
        losses[f'loss_{NAME}'] = self.node_weight * loss
        for key in (key for key in values[0] if 'loss' not in key):
            losses[f'{NAME}/{key}'] = sum(each[key] for each in values) / len(values)
        return losses

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        own = f'{prefix}{NAME}.'
        if self.node_classifier is None:
            for key in [key for key in state_dict if key.startswith(own)]:
                del state_dict[key]
        elif not any(key.startswith(own) for key in state_dict):
            state_dict.update(self.node_classifier.state_dict(prefix=own))
        super()._load_from_state_dict(state_dict, prefix, *args)  # type: ignore[misc]

    def _frame_losses(self, scores: Tensor, data_samples: list) -> dict[str, Tensor]:
        """Return the head's losses of the scores of all frames, each with the label of its video."""
        frames = [sample for sample in data_samples for _ in range(len(scores) // len(data_samples))]
        return self.cls_head.loss_by_feat(scores, frames)  # type: ignore[attr-defined]


def _options(given: dict) -> tuple[float, int]:
    """Return the weight of the loss and the hidden channels of the classifier."""
    if not isinstance(given, dict):
        raise ValueError(f'node_classifier is {given!r}, but must be a dict; use dict(weight=1.0)')
    if unknown := given.keys() - {'weight', 'hidden_channels'}:
        raise ValueError(f'node_classifier has no option {sorted(unknown)[0]!r}; use weight or hidden_channels')
    weight = given.get('weight', 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
        raise ValueError(
            f'weight of node_classifier is {weight!r}, but must be a number above 0; remove node_classifier to train '
            'without it'
        )
    return weight, positive_integer(given.get('hidden_channels', 64), 'hidden_channels of node_classifier')


def without_node_classifier(model: Mapping) -> dict:
    """Return the config of a model for testing, in which a node classifier has no use."""
    return {key: value for key, value in model.items() if key != NAME}
