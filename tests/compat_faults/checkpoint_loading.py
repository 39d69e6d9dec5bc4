"""Load checkpoints."""

import pickle
import sys
from pathlib import Path

import pytest

from .registry import HIDDEN, fault
from .toys import Call


@fault("No module named 'torchvision'")
def load_torchvision_weights(folder: Path) -> None:
    import torch
    from mmengine.runner import CheckpointLoader

    torch.hub.set_dir(folder)
    (folder / 'checkpoints').mkdir()
    torch.save({'weight': torch.ones(2)}, folder / 'checkpoints' / 'resnet18-f37072fd.pth')  # in the download cache
    for scheme in ('torchvision', 'modelzoo'):
        assert CheckpointLoader.load_checkpoint(f'{scheme}://resnet18')['weight'].sum() == 2
    with pytest.raises(ValueError, match="'torchvision://resnet1' is unknown to MMEngine; .*alexnet"):
        CheckpointLoader.load_checkpoint('torchvision://resnet1')

    HIDDEN.remove('torchvision')  # torchvision built for another PyTorch
    (folder / 'torchvision.py').write_text('raise RuntimeError("operator torchvision::nms does not exist")')
    sys.path.insert(0, str(folder))
    assert CheckpointLoader.load_checkpoint('torchvision://resnet18')['weight'].sum() == 2


@fault('AssertionError: executed')
def load_weights_everywhere(folder: Path) -> None:
    import torch
    from mmengine.runner import CheckpointLoader

    torch.hub.set_dir(folder)
    (folder / 'checkpoints').mkdir()
    trace = folder / 'trace'
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    torch.save(Call(eval, code), folder / 'checkpoints' / 'evil.pth')  # in the download cache
    try:
        with pytest.raises(pickle.UnpicklingError):
            CheckpointLoader.load_checkpoint('https://127.0.0.1:9/evil.pth')
    finally:
        assert not trace.exists(), 'executed'


@fault('Weights only load failed')
def trust_logs_in_checkpoints(folder: Path) -> None:
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer, MessageHub
    from mmengine.runner import CheckpointLoader

    hub = MessageHub.get_instance('hub')
    hub.update_scalar('train/loss', np.float64(0.5))
    hub.update_info('best', np.float32(3))
    hub.update_info('epochs', np.arange(3))
    torch.save({'message_hub': hub.state_dict()}, folder / 'zip.pth')
    torch.save({'message_hub': hub.state_dict()}, folder / 'plain.pth', _use_new_zipfile_serialization=False)
    numpy_1 = (folder / 'plain.pth').read_bytes().replace(b'numpy._core.', b'numpy.core.')
    (folder / 'numpy_1.pth').write_bytes(numpy_1)
    for checkpoint in ('zip.pth', 'plain.pth', 'numpy_1.pth'):
        log = CheckpointLoader.load_checkpoint(str(folder / checkpoint))['message_hub']
        assert log['log_scalars']['train/loss'].mean() == 0.5
        assert log['runtime_info']['best'] == 3 and (log['runtime_info']['epochs'] == [0, 1, 2]).all()

    for attack in (Call(eval, '1'), Call(getattr, HistoryBuffer, '__init__'), Call(getattr, np.ndarray, 'tofile')):
        torch.save(attack, folder / 'attack.pth')
        with pytest.raises(Exception, match=r'not safe to load|GLOBAL (builtins\.)?eval'):
            CheckpointLoader.load_checkpoint(str(folder / 'attack.pth'))
