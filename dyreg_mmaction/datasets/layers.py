"""What DataLoaders do on the way from a dataset to its samples, while the dataset itself stays as it is."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

Layer = Callable[[Any, Callable[[int], Any], int], Any]


class Layers:
    """The ``__getitems__`` of a dataset, by which PyTorch's DataLoaders get the samples of a batch.

    Args:
        dataset (Dataset): The dataset.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.layers: list[Layer] = []

    def __call__(self, indices: Sequence[int]) -> list:
        return [self._load(0, index) for index in indices]

    def _load(self, depth: int, index: int) -> Any:
        if depth == len(self.layers):
            own = getattr(type(self.dataset), '__getitems__', None)
            return own(self.dataset, [index])[0] if own else self.dataset[index]
        return self.layers[depth](self.dataset, partial(self._load, depth + 1), index)


def load_through(dataset: Any, layer: Layer) -> None:
    """Let DataLoaders load each sample of a dataset by ``layer(dataset, load, index)``, outside the layers it has.

    ``dataset[index]``, its attributes and its methods do not change, so that hooks may use and replace them.

    Args:
        dataset (Dataset): A map-style dataset; a list of samples is left as it is.
        layer (Callable): Returns the sample; ``load(index)`` is the next layer, in the end ``dataset[index]``. A
            function of a module, as workers may get it by pickle.
    """
    if isinstance(dataset, list | tuple):
        return
    layers = vars(dataset).get('__getitems__')
    if not isinstance(layers, Layers):
        layers = dataset.__getitems__ = Layers(dataset)
    if layer not in layers.layers:
        layers.layers.insert(0, layer)
