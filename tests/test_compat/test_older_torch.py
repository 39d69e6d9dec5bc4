"""Support of PyTorch before 2.6, tested with a patched newer version."""

import pickle

import pytest
from compat_faults.checkpoint_loading import trust_logs_in_checkpoints
from compat_faults.toys import Call

from dyreg_mmaction.compat import checkpoint_loading
from dyreg_mmaction.compat import older_torch as patches


@pytest.fixture
def older_torch(monkeypatch):
    """PyTorch as before 2.6: loading executes pickles, and some names are missing."""
    import mmengine.runner  # noqa: F401
    import torch

    stock = torch.load

    def load(file, map_location=None, pickle_module=None, *, weights_only=False, **kwargs):
        return stock(file, map_location, pickle_module, weights_only=weights_only, **kwargs)

    monkeypatch.setattr(torch, 'load', load)
    monkeypatch.setattr(torch, '__version__', type(torch.__version__)('2.1.2'))
    for owner, name in [
        (torch.serialization, 'add_safe_globals'),
        (torch.compiler, 'is_compiling'),
        (torch.compiler, 'is_dynamo_compiling'),
        (torch.amp, 'is_autocast_available'),
        (torch.nn.utils, 'get_total_norm'),
        (torch.nn.Module, 'register_load_state_dict_pre_hook'),
    ]:
        monkeypatch.delattr(owner, name, raising=False)
    return torch


def test_older_torch_loads_logs_and_executes_nothing(older_torch, tmp_path):
    patches.load_weights_only()
    checkpoint_loading.trust_logs_in_checkpoints()
    trust_logs_in_checkpoints(tmp_path)
    older_torch.save(Call(eval, '1'), tmp_path / 'own.pth')
    assert older_torch.load(tmp_path / 'own.pth', weights_only=False) == 1  # on request
    for weights_only in (True, None):  # None: the default
        with pytest.raises(pickle.UnpicklingError, match='GLOBAL builtins.eval is not allowed'):
            older_torch.load(tmp_path / 'own.pth', weights_only=weights_only)


def test_names_missing_in_older_torch_are_added(older_torch):
    patches.bring_forward_names()
    assert older_torch.compiler.is_compiling() is False
    assert older_torch.compiler.is_dynamo_compiling() is False
    assert older_torch.amp.is_autocast_available('cpu') and not older_torch.amp.is_autocast_available('meta')
    total_norm = older_torch.nn.utils.get_total_norm
    assert total_norm([older_torch.tensor([3.0]), older_torch.tensor([4.0])]) == 5 and total_norm([]) == 0
    assert total_norm([older_torch.tensor([3.0, float('nan')])], float('inf')).isnan()
    module, seen = older_torch.nn.Linear(1, 1), []
    module.register_load_state_dict_pre_hook(lambda *args: seen.append(args[:3]))
    module.load_state_dict(state := module.state_dict())
    assert seen == [(module, state, '')]
