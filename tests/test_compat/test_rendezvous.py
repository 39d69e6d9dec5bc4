"""PyTorch without the private function that separate_restarts patches."""

import importlib
import warnings

import pytest

from dyreg_mmaction.compat import rendezvous


def test_missing_private_function_warns_on_restarts_only(monkeypatch):
    torch_rendezvous = importlib.import_module('torch.distributed.rendezvous')
    monkeypatch.delattr(torch_rendezvous, '_create_c10d_store')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        rendezvous.separate_restarts()
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    with pytest.warns(UserWarning, match='no _create_c10d_store: .* start torchrun again'):
        rendezvous.separate_restarts()
    assert not hasattr(torch_rendezvous, '_create_c10d_store')
