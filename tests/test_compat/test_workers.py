"""DataLoader workers are patched with every start method."""

import importlib
import multiprocessing.process
import pickle

import pytest
from torch.utils.data import DataLoader
from torch.utils.data._utils import worker

from dyreg_mmaction.compat import workers

WORKED_IN = """
from mmaction.datasets.transforms import ColorJitter

class Dataset:
    def __init__(self):
        self.pickled = ColorJitter(hue=(-0.5, -0.5))

    def __len__(self):
        return 1

    def __getitem__(self, index):
        import numpy as np

        return self.pickled.transform(dict(imgs=[np.full((4, 4, 3), index, np.uint8)]))['imgs'][0]
"""


@pytest.mark.slow
@pytest.mark.parametrize('start', ['spawn', 'forkserver'])
def test_workers_of_any_start_method_are_patched(start, tmp_path, monkeypatch):
    (tmp_path / 'worked_in.py').write_text(WORKED_IN)
    monkeypatch.syspath_prepend(str(tmp_path))
    dataset = importlib.import_module('worked_in').Dataset()
    (image,) = DataLoader(dataset, num_workers=1, multiprocessing_context=start)
    assert image.shape == (1, 4, 4, 3)


def test_new_worker_imports_this_package_first():
    process = multiprocessing.process.BaseProcess(target=worker._worker_loop, args=('dataset',))
    pickled = pickle.dumps(vars(process) | dict(_config=None))
    assert 0 < pickled.index(b'dyreg_mmaction.compat.workers') < pickled.index(b'dataset')


def test_missing_private_function_warns(monkeypatch):
    monkeypatch.delattr(worker, '_worker_loop')
    with pytest.warns(UserWarning, match="no _worker_loop: .* set env_cfg.mp_cfg.mp_start_method='fork'"):
        workers.patch_in_workers()
    assert not hasattr(worker, '_worker_loop')
