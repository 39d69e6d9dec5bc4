"""Configs of the datasets inside those that repeat or concatenate."""

from collections.abc import Iterator


def leaf_datasets(dataset: dict | None, where: str = 'dataset') -> Iterator[tuple[str, dict]]:
    """Yield the config of every dataset that contains no other, with its place in the whole config.

    Args:
        dataset (dict, optional): Config of a dataset, such as a RepeatDataset of a VideoDataset.
        where (str): Its place, such as ``train_dataloader.dataset``.
    """
    if not dataset:
        return
    inner = {f'{where}.datasets.{index}': part for index, part in enumerate(dataset.get('datasets') or [])}
    if dataset.get('dataset'):
        inner[f'{where}.dataset'] = dataset['dataset']
    if not inner:
        yield where, dataset
    for place, part in inner.items():
        yield from leaf_datasets(part, place)
