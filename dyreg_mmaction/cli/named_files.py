"""Files and addresses that a config names: whether they are there, before minutes go into the rest."""

import json
import os.path as osp
import urllib.request
from urllib.parse import urlparse

import mmengine
import torch
from mmengine.config import Config

from dyreg_mmaction.datasets.check_lists import check_lists
from dyreg_mmaction.datasets.leaves import leaf_datasets

PREPARE = 'python tools/data/prepare_something.py prepares Something-Something (see tools/data/README.md)'


def check_weights(cfg: Config) -> None:
    """See that weights with an address are on disk or can be had, before minutes go into building the rest.

    Raises:
        FileNotFoundError: If they are not and cannot.
    """
    addresses = {'model.backbone.pretrained': (cfg.model.get('backbone') or {}).get('pretrained')}
    addresses['load_from'] = cfg.get('load_from')
    for where, address in addresses.items():
        url = _url(address) if isinstance(address, str) else None
        error = _find(url) if url else None
        if error is not None:
            raise FileNotFoundError(
                f'{where}={address!r} cannot be downloaded ({error}); put the file of {url} at {_cached(str(url))}, or '
                f'do without with --cfg-options {where}=None'
            ) from error


def find_weights(address: str, timeout: float = 15) -> OSError | None:
    """Check that weights with an address are on disk or can be downloaded.

    Returns:
        OSError: Why they cannot be downloaded. None if they can, or if ``address`` is a path or of another hub.
    """
    url = _url(address)
    return _find(url, timeout) if url else None


def _find(url: str, timeout: float = 15) -> OSError | None:
    if osp.exists(_cached(url)):
        return None
    try:
        # as torch.hub downloads it: HEAD, or another client's name, may be refused where that is not
        request = urllib.request.Request(url, headers={'User-Agent': 'torch.hub'})
        urllib.request.urlopen(request, timeout=timeout).close()
    except OSError as error:
        return error
    return None


def _cached(url: str) -> str:
    """Where torch.hub keeps its download."""
    return osp.join(torch.hub.get_dir(), 'checkpoints', osp.basename(urlparse(url).path))


def _url(address: str) -> str | None:
    """Where MMEngine gets weights from; None if it is a file, or one of its other hubs."""
    if address.startswith(('http://', 'https://')):
        return address
    scheme, _, name = address.partition('://')
    if scheme not in ('torchvision', 'modelzoo'):
        return None
    with open(osp.join(osp.dirname(mmengine.__file__), 'hub', 'torchvision_0.12.json')) as file:
        return json.load(file).get(name)


def check_data(cfg: Config, *loaders: str) -> None:
    """See that the files of these dataloaders exist and their lists are right, before minutes go into the rest.

    Raises:
        FileNotFoundError: If an annotation file or a data folder is missing.
        ValueError: If a line of a list is wrong, see :func:`.check_lists`.
    """
    for loader in loaders:
        if cfg.get(loader) is not None:
            for where, dataset in leaf_datasets(cfg[loader].dataset, f'{loader}.dataset'):
                _check_dataset(dataset, where)
            classes = (cfg.model.get('cls_head') or {}).get('num_classes')
            check_lists(cfg[loader].dataset, f'{loader}.dataset', classes, unlabelled=loader == 'test_dataloader')


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
