"""Configs of the datasets inside RepeatDataset, ConcatDataset and other wrappers."""

from collections.abc import Iterator


def leaf_datasets(dataset: dict | None, where: str = 'dataset') -> Iterator[tuple[str, dict]]:
    """Yield the config of every dataset that contains no other dataset, with its path in the config.

    Args:
        dataset (dict, optional): Config of a dataset, such as a RepeatDataset of a VideoDataset.
        where (str): Its path in the config, such as ``train_dataloader.dataset``.
    """
    if not dataset:
        return
    inner = {f'{where}.datasets.{index}': child for index, child in enumerate(dataset.get('datasets') or [])}
    if dataset.get('dataset'):
        inner[f'{where}.dataset'] = dataset['dataset']
    if not inner:
        yield where, dataset
    for place, child in inner.items():
        yield from leaf_datasets(child, place)
