"""Functions that DataLoaders apply when they load samples, while the dataset itself is unchanged."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

Layer = Callable[[Any, Callable[[int], Any], int], Any]


class Layers:
    """The ``__getitems__`` of a dataset, which PyTorch's DataLoaders call to get the samples of a batch.

    Args:
        dataset (Dataset): The dataset.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.layers: list[Layer] = []

    def __call__(self, indices: Sequence[int]) -> list:
        """Return the samples of these indices."""
        return [self._load(0, index) for index in indices]

    def _load(self, depth: int, index: int) -> Any:
        if depth == len(self.layers):
            own = getattr(type(self.dataset), '__getitems__', None)
            return own(self.dataset, [index])[0] if own else self.dataset[index]
        return self.layers[depth](self.dataset, partial(self._load, depth + 1), index)


def load_through(dataset: Any, layer: Layer) -> None:
    """Make DataLoaders load each sample through ``layer(dataset, load, index)``, as the new outermost layer.

    ``dataset[index]``, the attributes and the methods of the dataset are unchanged, so hooks can use and replace them.

    Args:
        dataset (Dataset): A map-style dataset; a list of samples is left unchanged.
        layer (Callable): Returns the sample; ``load(index)`` calls the next layer, finally ``dataset[index]``. It must
            be a module-level function because workers may receive it by pickle.
    """
    if isinstance(dataset, list | tuple):
        return
    layers = vars(dataset).get('__getitems__')
    if not isinstance(layers, Layers):
        layers = dataset.__getitems__ = Layers(dataset)
    if layer not in layers.layers:
        layers.layers.insert(0, layer)
