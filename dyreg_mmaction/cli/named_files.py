"""Check that files and URLs in a config exist before training starts."""

import json
import os.path as osp
import urllib.request
from urllib.parse import urlparse

import mmengine
import torch
from mmengine.config import Config

from dyreg_mmaction.datasets.check_lists import check_lists
from dyreg_mmaction.datasets.leaves import leaf_datasets

PREPARE = 'prepare Something-Something with tools/data/prepare_something.py (see docs/guides/something_something.md)'


def check_weights(cfg: Config) -> None:
    """Check that pretrained weights are cached or can be downloaded.

    Raises:
        FileNotFoundError: If they are neither.
    """
    addresses = {'model.backbone.pretrained': (cfg.model.get('backbone') or {}).get('pretrained')}
    addresses['load_from'] = cfg.get('load_from')
    for where, address in addresses.items():
        url = _url(address) if isinstance(address, str) else None
        error = _find(url) if url else None
        if error is not None:
            raise FileNotFoundError(
                f'{where}={address!r} cannot be downloaded ({error}); save {url} as {_cached(str(url))}, or '
                f'train without it: --cfg-options {where}=None'
            ) from error


def find_weights(address: str, timeout: float = 15) -> OSError | None:
    """Check that weights are cached or can be downloaded.

    Args:
        address (str): URL, name in a hub of MMEngine such as ``torchvision://resnet50``, or path.
        timeout (float): Seconds to wait for the server.

    Returns:
        OSError: Why they cannot be downloaded. None if they can, or if ``address`` is a path or in another hub.
    """
    url = _url(address)
    return _find(url, timeout) if url else None


def _find(url: str, timeout: float = 15) -> OSError | None:
    if osp.exists(_cached(url)):
        return None
    try:
        # like torch.hub: some servers refuse HEAD requests or other user agents
        request = urllib.request.Request(url, headers={'User-Agent': 'torch.hub'})
        urllib.request.urlopen(request, timeout=timeout).close()
    except OSError as error:
        return error
    return None


def _cached(url: str) -> str:
    """Return the path at which torch.hub caches a download."""
    return osp.join(torch.hub.get_dir(), 'checkpoints', osp.basename(urlparse(url).path))


def _url(address: str) -> str | None:
    """Return the URL from which MMEngine downloads weights, None for a path or another hub."""
    if address.startswith(('http://', 'https://')):
        return address
    scheme, _, name = address.partition('://')
    if scheme not in ('torchvision', 'modelzoo'):
        return None
    with open(osp.join(osp.dirname(mmengine.__file__), 'hub', 'torchvision_0.12.json')) as file:
        return json.load(file).get(name)


def check_data(cfg: Config, *loaders: str) -> None:
    """Check that the files of dataloaders exist and that their annotation lists are valid.

    Args:
        cfg (Config): The config.
        *loaders (str): Keys of dataloaders, such as 'train_dataloader'. Missing ones are skipped.

    Raises:
        FileNotFoundError: If an annotation file or a data folder is missing.
        ValueError: If a line of a list is invalid, see :func:`.check_lists`.
    """
    for loader in loaders:
        if cfg.get(loader) is not None:
            for where, dataset in leaf_datasets(cfg[loader].dataset, f'{loader}.dataset'):
                _check_dataset(dataset, where)
            classes = (cfg.model.get('cls_head') or {}).get('num_classes')
            check_lists(cfg[loader].dataset, f'{loader}.dataset', classes, unlabeled=loader == 'test_dataloader')


def _check_dataset(dataset: dict, where: str) -> None:
    root = dataset.get('data_root') or ''
    paths = {'ann_file': dataset.get('ann_file')}
    paths.update({f'data_prefix.{key}': path for key, path in (dataset.get('data_prefix') or {}).items()})
    for key, path in paths.items():
        if path and '://' not in path and not path.startswith('s3:') and not osp.exists(osp.join(root, path)):
            raise FileNotFoundError(
                f'{where}.{key}={osp.join(root, path)!r} does not exist; {PREPARE}, or set another path with '
                f'--cfg-options {where}.{key}=PATH'
            )
