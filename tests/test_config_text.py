"""The config in a checkpoint is data: what is more than literals, or names what is not registered, is refused."""

import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from dyreg_mmaction.compat.config_text import read_config_text

CONFIGS = Path(__file__).parents[1] / 'configs'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, from which modules are imported, with one that leaves a trace."""
    (tmp_path / 'evil.py').write_text("open('trace', 'w')\ndef run(**kwargs): pass")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    assert not (tmp_path / 'trace').exists() and 'evil' not in sys.modules


@pytest.mark.parametrize('name', ['tsm_r50_dyreg_sthv2.py', 'syncmnist/rstg_all-temp.py'])
def test_what_mmengine_writes_is_read(name):
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
def test_code_is_refused(folder, text):
    with pytest.raises(ValueError, match='more than literals in line'):
        read_config_text(f'before = 1\n{text}')


@pytest.mark.parametrize('name', ['os.system', 'evil.run', 'evil', 'mmengine.runner.runner.os.system', 'mmengine.load'])
def test_a_type_must_be_registered(folder, name):
    text = f'model = dict(backbone=[dict(type={name!r})])'
    with pytest.raises(ValueError, match=f'asks for {name!r}, which is no registered class'):
        read_config_text(text)


@pytest.mark.parametrize('text', ["default_scope = 'evil'", "model = dict(_scope_='evil')"])
def test_a_scope_must_be_one(folder, text):
    with pytest.raises(ValueError, match="asks for 'evil'"):
        read_config_text(text)


def test_nothing_is_imported(folder):
    assert 'custom_imports' not in read_config_text("custom_imports = dict(imports=['evil'])\nbase = '$PATH'")


@pytest.mark.parametrize(
    'text', [None, b'a = 1', 'a = (', 'a = ' + '-' * 10**5 + '1', 'a = ' + '[' * 10**5, 'a\0 = 1', ' ' * (10**7 + 1)]
)
def test_what_cannot_be_read_is_a_sentence(text):
    with pytest.raises(ValueError, match='the config in a checkpoint (cannot be read|must be a text)'):
        read_config_text(text)
