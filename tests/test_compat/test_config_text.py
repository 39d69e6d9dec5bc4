"""The config in a checkpoint is data: anything but literals and registered names raises an error."""

import sys
from pathlib import Path
from types import ModuleType

import mmaction.models
import pytest
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import HOOKS, Registry, init_default_scope

from dyreg_mmaction.compat.config_text import read_config_text
from dyreg_mmaction.compat.loaded_objects import find_loaded, imports

CONFIGS = Path(__file__).parents[2] / 'configs'
# files that must never be imported
EVIL = ['evil', 'my-script', 'my script', 'AccMetric', 'toy/__init__', 'toy/registry', 'toy/Net', 'folder/registry']


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Current folder with modules that write a file when they are imported."""
    for name in EVIL:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f'{name}.py').write_text("open('trace', 'w')\ndef run(**kwargs): pass")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    assert not (tmp_path / 'trace').exists() and not {'evil', 'my-script', 'toy', 'folder'} & {*sys.modules}


@pytest.mark.parametrize('name', ['tsm_r50_dyreg_sthv2.py', 'syncmnist/rstg_all-temp.py'])
def test_configs_written_by_mmengine_are_read(name):
    cfg = Config.fromfile(CONFIGS / name)
    expected = cfg.to_dict()
    expected.pop('custom_imports', None)
    assert read_config_text(cfg.pretty_text).to_dict() == expected


def test_every_kind_of_value_is_read():
    values = dict(
        a=[-1, 2.5e-3, True, None, (1,), (), 'a\nb' * 200],
        b={'x.y': dict(c='é"\''), '0': [dict(d=[[]])]},
        c=float('inf'),
        d=dict(type='mmaction.Recognizer2D'),  # scope and full name, as configs may have them
        e=dict(type='mmengine.dataset.sampler.DefaultSampler'),
        f=dict(type='OfAPackageNotImported'),
    )
    assert read_config_text(Config(values).pretty_text).to_dict() == values


@pytest.mark.parametrize(
    'text',
    [
        'import evil',
        'from evil import run',
        "import os\nos.system('touch trace')",
        "a = __import__('os').system('touch trace')",
        "_base_ = [__import__('evil').__file__]",
        "_base_ = '{{ __import__(\"evil\") }}'\na = open('trace', 'w')",
        'a = ().__class__.__base__.__subclasses__()',
        "a = dict(b=[dict(c=open('trace', 'w'))])",
        "a = dict(**__import__('evil').__dict__)",
        "a = dict([('b', open('trace', 'w'))])",
        "dict = open\na = dict(file='trace', mode='w')",
        "a = [open('trace', 'w') for _ in '1']",
        "a = lambda: open('trace', 'w')",
        'a = f\'{open("trace", "w")}\'',
        "if open('trace', 'w'): a = 1",
        "a: open('trace', 'w') = 1",
        "a, b = 1, open('trace', 'w')",
        "a = 1 if open('trace', 'w') else 2",
        'def run(_=open("trace", "w")): pass',
        'a = 9 ** 9 ** 9',
        "a = 'x' * 10 ** 10",
    ],
)
def test_code_raises_an_error(folder, text):
    with pytest.raises(ValueError, match='line .* is not a literal'):
        read_config_text(f'before = 1\n{text}')


@pytest.mark.parametrize(
    'name',
    [
        'os.system',
        'evil.run',
        'evil',
        'my-script',
        'my script',
        'folder.registry',
        'mmengine.runner.runner.os.system',
        'mmengine.load',
        'mmaction.models.Recognizer2D.train',
        'mmaction.recognizers.Recognizer2D',
        'torchvision.os.system',
        'timm.evil',
        '.evil',
        'evil.',
    ],
)
@pytest.mark.parametrize('key', ['type', 'runner_type', 'constructor', 'collate_fn'])
def test_type_must_be_registered(folder, key, name):
    text = f'model = dict(backbone=[dict({key}={name!r})])'
    with pytest.raises(ValueError, match=f'uses {name!r}, which is not a registered class'):
        read_config_text(text)


@pytest.mark.parametrize(
    'name',
    [
        'Recognizer2D',
        'mmaction.Recognizer2D',
        'mmaction.models.Recognizer2D',
        'mmaction.models.recognizers.recognizer2d.Recognizer2D',
        'dyreg_mmaction.models.DyRegGNN',
        'torch.optim.SGD',
        'torch.optim.sgd.SGD',
        'mmengine.dataset.utils.pseudo_collate',
    ],
)
def test_full_names_of_registered_classes_are_types(folder, name):
    assert read_config_text(f'a = dict(type={name!r})').a.type == name


def test_new_style_config_is_read_and_built(tmp_path):
    """Its types are classes, which MMEngine writes as full names."""
    (tmp_path / 'new.py').write_text(
        'from mmaction.models import ActionDataPreprocessor, Recognizer2D, ResNet, TSNHead\n'
        'from mmengine.runner import EpochBasedTrainLoop\n'
        'from torch.optim import SGD\n'
        'model = dict(type=Recognizer2D, backbone=dict(type=ResNet, depth=18), data_preprocessor=dict('
        'type=ActionDataPreprocessor), cls_head=dict(type=TSNHead, num_classes=2, in_channels=512))\n'
        'train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=1)\n'
        'optim_wrapper = dict(optimizer=dict(type=SGD, lr=0.1))\n'
    )
    cfg = read_config_text(Config.fromfile(tmp_path / 'new.py', lazy_import=True).pretty_text)
    assert type(MODELS.build(cfg.model).backbone) is mmaction.models.ResNet


def test_torchvision_models_are_types(folder, monkeypatch):
    """MMAction2 looks them up without a registry."""
    models, densenet = ModuleType('torchvision.models'), ModuleType('torchvision.models.densenet')
    exec('def densenet161(**kwargs): pass', vars(densenet))
    models.densenet161, models.system = densenet.densenet161, sys.modules['os'].system
    for name, module in {'torchvision': ModuleType('torchvision'), 'torchvision.models': models}.items():
        monkeypatch.setitem(sys.modules, name, module)
    text = "model = dict(backbone=dict(type='torchvision.densenet161'))"
    assert read_config_text(text).model.backbone.type == 'torchvision.densenet161'
    with pytest.raises(ValueError, match="uses 'torchvision.system'"):
        read_config_text("model = dict(backbone=dict(type='torchvision.system'))")


@pytest.mark.parametrize('place', ['model = dict(backbone={})', 'visualizer = {}', 'a = dict(test_pipeline=[{}])'])
def test_classes_that_execute_files_raise_an_error(folder, place):
    """Datasets unpickle annotation lists and inferencers execute configs, so they may be named but not built."""
    asked = (
        dict(type='mmaction.datasets.PoseDataset', ann_file='evil.pkl', pipeline=[]),
        dict(type='mmaction.apis.inferencers.ActionRecogInferencer', model='evil.py'),
    )
    for each in asked:
        with pytest.raises(ValueError, match=f'uses {each["type"]!r}.*not allowed at this place'):
            read_config_text(place.format(each))
        assert read_config_text(f'test_dataloader = dict(dataset={each})').test_dataloader.dataset == each


@pytest.mark.parametrize('files', [dict(checkpoint_path='a.pth'), dict(pretrained_cfg=dict(hf_hub_id='a/b'))])
def test_timm_weights_raise_an_error(folder, monkeypatch, files):
    """The library timm unpickles weights."""
    timm = ModuleType('timm')
    timm.is_model = lambda name: name == 'resnet18'
    monkeypatch.setitem(sys.modules, 'timm', timm)
    backbone = dict(type='timm.resnet18', pretrained=True)
    assert read_config_text(f'model = dict(backbone={backbone})').model.backbone == backbone
    with pytest.raises(ValueError, match=rf'makes timm load other weights \({min(files)}\)'):
        read_config_text(f'model = dict(backbone={backbone | files})')


def test_nothing_is_imported_for_a_type_of_another_registry(folder):
    init_default_scope('mmaction')
    assert read_config_text("model = dict(type='AccMetric')").model.type == 'AccMetric'  # a metric is known
    for name in ('AccMetric', 'my-script'):
        with pytest.raises(KeyError, match=f'{name} is not in the mmaction::model registry'):
            MODELS.build(dict(type=name))


def test_nothing_is_imported_for_a_scope_of_that_name(folder):
    """The scope of a registry may be the name of a package that is not loaded."""
    toy = Registry('hook', parent=HOOKS, scope='toy')
    try:
        toy.register_module(module=type('Net', (), {}))
        with pytest.raises(ValueError, match="uses 'toy.Net'"):
            read_config_text("a = dict(type='toy.Net')")
    finally:
        del HOOKS.children['toy']


def test_unused_types_are_not_checked(folder):
    """A run may resume although types in its checkpoint were removed or are not registered."""
    text = "hooks = [dict(type='a.hook.that.is.Gone'), dict(type='evil')]\ndefault_scope = 'evil'"
    assert read_config_text(text, is_built=False).hooks[1].type == 'evil'


def test_loaded_objects():
    assert find_loaded('mmaction.models.Recognizer2D') is mmaction.models.Recognizer2D
    assert find_loaded('os.path.join') is not None and find_loaded('os.path.none') is find_loaded('none') is None
    assert not imports('os') and not imports('mmaction.none') and not imports('no_package.none') and not imports('')
    assert imports('this') and imports('json.tool' if 'json.tool' not in sys.modules else 'this')


@pytest.mark.parametrize(
    'text',
    ["default_scope = 'evil'", "model = dict(_scope_='evil')", "default_scope = 'folder'", "a = dict(_scope_='toy')"],
)
def test_invalid_scope_raises_an_error(folder, text):
    with pytest.raises(ValueError, match="uses '(evil|folder|toy)'"):
        read_config_text(text)


def test_nothing_is_imported(folder):
    assert 'custom_imports' not in read_config_text("custom_imports = dict(imports=['evil'])\nbase = '$PATH'")


@pytest.mark.parametrize(
    'text', [None, b'a = 1', 'a = (', 'a = ' + '-' * 10**5 + '1', 'a = ' + '[' * 10**5, 'a\0 = 1', ' ' * (10**7 + 1)]
)
def test_unreadable_configs_raise_errors(text):
    with pytest.raises(ValueError, match='the config in a checkpoint (cannot be read|must be a string)'):
        read_config_text(text)
