"""Loading a checkpoint never executes a pickle; .safetensors files contain nothing executable."""

import functools
import io
import json
import os
import pickle
import runpy
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmaction.models import ResNet
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, checkpoint, load_checkpoint
from torch import nn

from dyreg_mmaction.checkpoints import load_file, save_file
from dyreg_mmaction.visualization import predict

TOOL = Path(__file__).parents[1] / 'tools/deploy/convert_checkpoint.py'
CODE = "__import__('pathlib').Path('trace').touch()"


class Call:
    """Its pickle makes a call; the called object may come from another such pickle."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def stored(content) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def chain(name: str) -> Call:
    """Reach the builtin ``name`` through an allowed method, the globals of its module and their builtins."""
    scope = Call(getattr, Call(getattr, HistoryBuffer, 'mean'), '__globals__')
    return Call(dict.__getitem__, Call(dict.__getitem__, scope, '__builtins__'), name)


GADGETS = {
    'os.system': Call(os.system, 'touch trace'),
    'eval': Call(eval, CODE),
    'exec': Call(exec, CODE),
    'getattr': Call(getattr, HistoryBuffer, '__init__'),
    'getattr of getattr': chain('eval'),
    'torch.load inside': Call(torch.storage._load_from_bytes, stored(Call(eval, CODE))),
}
WRITERS = {
    'zip': lambda content, path: torch.save(content, path),
    'legacy': lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
    'bare pickle': lambda content, path: path.write_bytes(pickle.dumps(content)),
}


def convert(path: str) -> None:
    arguments, sys.argv = sys.argv, [str(TOOL), path, f'{path}.converted']
    try:
        runpy.run_path(str(TOOL), run_name='__main__')
    finally:
        sys.argv = arguments


LOADERS = {
    'load_file': load_file,
    'load_from and --resume, inferencers, teachers': CheckpointLoader.load_checkpoint,
    'init_recognizer': lambda path: load_checkpoint(nn.Linear(1, 1), path),
    'visualize_regions.py': lambda path: predict._load(nn.Linear(1, 1), path),
    'convert_checkpoint.py': convert,
}


@pytest.mark.parametrize('writer', WRITERS)
@pytest.mark.parametrize('gadget', GADGETS)
def test_no_pickle_is_executed(gadget, writer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'evil.pth'
    WRITERS[writer](dict(state_dict=dict(weight=torch.ones(1)), extra=GADGETS[gadget]), path)
    for load in LOADERS.values():
        with pytest.raises((ValueError, pickle.UnpicklingError, RuntimeError, SystemExit)):
            load(str(path))
        assert not (tmp_path / 'trace').exists()


# before PyTorch 2.6 compat/older_torch.py loads the inner one and rejects it
@pytest.mark.parametrize(
    'gadget', ['os.system', 'eval', 'exec', *(['torch.load inside'] if torch.__version__ >= '2.6' else [])]
)
def test_pickles_are_malicious(gadget, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.load(io.BytesIO(stored(GADGETS[gadget])), weights_only=False)
    assert (tmp_path / 'trace').exists()


def test_script_module_raises_an_error(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), tmp_path / 'script.pth')
    for load in (load_file, CheckpointLoader.load_checkpoint):
        with pytest.raises((ValueError, RuntimeError)):
            load(str(tmp_path / 'script.pth'))


# --- all locations of a checkpoint


class Files(SimpleHTTPRequestHandler):
    """Serve files."""

    def log_message(self, *args):
        """Print nothing."""


@pytest.fixture
def server(tmp_path):
    """URL of a server of the folder ``served``."""
    (tmp_path / 'served').mkdir()
    handler = functools.partial(Files, directory=tmp_path / 'served')
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


PLACES = {
    '': '{folder}/file.pth',
    'http://': '{server}/file.pth',
    'https://': 'https://127.0.0.1:9/file.pth',  # in the download cache
    'torchvision://': 'torchvision://resnet18',  # in the download cache
    'modelzoo://': 'modelzoo://resnet18',
    'mmcls://': 'mmcls://resnet18',
    'openmmlab://': 'openmmlab://a_file',
    'open-mmlab://': 'open-mmlab://a_url',
    'pavi://': 'pavi://file.pth',
    r'(\S+\:)?s3://': 's3://file.pth',
    r'(\S+\:)?petrel://': 'petrel://file.pth',
    r'(?!\w+://).*\.safetensors$': '{folder}/file.safetensors',
}


@pytest.fixture
def put(tmp_path, server, monkeypatch):
    """Return a function that saves a checkpoint at all PLACES and returns its address in each scheme."""
    monkeypatch.chdir(tmp_path)
    for name in ('TORCH_HOME', 'MMENGINE_HOME'):
        monkeypatch.setenv(name, str(tmp_path))
    client = SimpleNamespace(Get=lambda path: (tmp_path / 'file.pth').read_bytes())
    petrel = SimpleNamespace(client=SimpleNamespace(Client=lambda **kwargs: client))
    monkeypatch.setitem(sys.modules, 'petrel_client', petrel)
    model = SimpleNamespace(name='file.pth', download=lambda path: (tmp_path / 'file.pth').rename(path))
    cloud = SimpleNamespace(get=lambda path: model)
    monkeypatch.setitem(sys.modules, 'pavi', SimpleNamespace(modelcloud=cloud))

    def put(content: dict, scheme: str) -> str:
        cache = tmp_path / 'hub' / 'checkpoints'
        cache.mkdir(parents=True)
        urls = dict(a_file='file.pth', a_url=f'{server}/file.pth')
        (tmp_path / 'open_mmlab.json').write_text(json.dumps(urls))
        downloaded = ['file.pth', 'resnet18-f37072fd.pth', Path(checkpoint.get_mmcls_models()['resnet18']).name]
        # only cached schemes are saved in the cache, all others are downloaded
        names = [f'hub/checkpoints/{name}' for name in downloaded if scheme != 'http://' and 'open' not in scheme]
        for name in ('file.pth', 'file.safetensors', 'served/file.pth', *names):
            torch.save(content, tmp_path / name)
        return PLACES[scheme].format(folder=tmp_path, server=server)

    return put


def test_every_scheme_is_tested():
    assert set(CheckpointLoader._schemes) == set(PLACES)


@pytest.mark.parametrize('force', [False, True])
@pytest.mark.parametrize('scheme', PLACES)
def test_no_pickle_is_executed_from_any_scheme(scheme, force, put, tmp_path, monkeypatch):
    if force:  # makes PyTorch execute pickles unless weights_only is set
        monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    place = put(dict(state_dict=dict(weight=torch.ones(1)), extra=GADGETS['eval']), scheme)
    with pytest.raises((ValueError, pickle.UnpicklingError), match='eval|damaged or not a checkpoint'):
        CheckpointLoader.load_checkpoint(place)
    assert not (tmp_path / 'trace').exists()


@pytest.mark.parametrize('scheme', [scheme for scheme in PLACES if 'safetensors' not in scheme])
def test_weights_are_loaded_from_any_scheme(scheme, put):
    place = put(dict(state_dict={'backbone.weight': torch.full((2,), 3.0)}), scheme)
    (weight,) = CheckpointLoader.load_checkpoint(place)['state_dict'].values()
    assert weight.tolist() == [3, 3]


@pytest.mark.parametrize('load', [*list(LOADERS)[1:4], 'pretrained'])
def test_no_pickle_is_executed_from_a_url(load, put, tmp_path):
    loaders = LOADERS | dict(pretrained=lambda url: ResNet(18, pretrained=url).init_weights())
    url = put(dict(state_dict=dict(weight=torch.ones(1)), extra=GADGETS['os.system']), 'http://')
    with pytest.raises((ValueError, pickle.UnpicklingError, SystemExit)):
        loaders[load](url)
    assert (tmp_path / 'hub' / 'checkpoints' / 'file.pth').exists() and not (tmp_path / 'trace').exists()


# --- safetensors


@pytest.fixture
def trained(tmp_path) -> Path:
    """A checkpoint as MMEngine writes it, with tensors that share memory or are not contiguous."""
    weight = torch.arange(6.0).view(2, 3)
    state = {'module.fc.weight': weight, 'module.tied.weight': weight, 'module.turned.weight': weight.T}
    classes = dict(classes=['push', 'pull'], other=torch.ones(1))
    meta = dict(mmengine_version='0.10.7', cfg='a = 1', epoch=3, dataset_meta=classes)
    torch.save(dict(meta=meta, state_dict=state, message_hub={}, optimizer={}), tmp_path / 'trained.pth')
    return tmp_path / 'trained.pth'


def test_weights_are_converted_to_safetensors_and_back(trained, monkeypatch):
    there, back = trained.with_suffix('.safetensors'), trained.with_name('back.pth')
    for paths in ((trained, there), (there, back)):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, paths)])
        runpy.run_path(str(TOOL), run_name='__main__')
    expected = torch.load(trained)['state_dict']
    for content in (load_file(there), load_file(back), CheckpointLoader.load_checkpoint(str(there))):
        assert all(torch.equal(content['state_dict'][key.removeprefix('module.')], expected[key]) for key in expected)
        assert content['meta']['dataset_meta'] == dict(classes=['push', 'pull'])
        assert content['meta']['cfg'] == 'a = 1' and content['meta']['epoch'] == 3


def test_mmengine_loads_safetensors(tmp_path):
    from safetensors.torch import save_file as save_of_others

    model, other = nn.Linear(2, 3), nn.Linear(2, 3)
    save_of_others(other.state_dict(), tmp_path / 'other.safetensors')
    load_checkpoint(model, str(tmp_path / 'other.safetensors'), map_location='cpu', strict=True)
    assert torch.equal(model.weight, other.weight)


def test_invalid_safetensors_raise_errors(tmp_path):
    path = tmp_path / 'a.safetensors'
    with pytest.raises(FileNotFoundError, match=r'checkpoint .*a\.safetensors does not exist'):
        load_file(path)
    torch.save(Call(eval, CODE), path)  # a pickle with another suffix
    with pytest.raises(ValueError, match=r'a\.safetensors is damaged or not a checkpoint'):
        load_file(path)
    save_file(dict(state_dict=dict(weight=torch.ones(100))), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match='is damaged or not a checkpoint'):
        load_file(path)
    with pytest.raises(ValueError, match='pass a checkpoint whose state_dict contains only tensors'):
        save_file(dict(state_dict=dict(weight=[1])), tmp_path / 'b.safetensors')
    assert not (tmp_path / 'b.safetensors').exists()
