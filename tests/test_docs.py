"""The site of docs/ builds without a warning, and files and options on its pages exist."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dyreg_mmaction.registry import DATASETS, METRICS, MODELS, VISUALIZERS

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / 'docs').rglob('*.md')) + [
    ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md')
]
COPIED = {'CONTRIBUTING.md': 'project/contributing.md', 'CHANGELOG.md': 'project/changelog.md'}  # by docs_hooks.py


def fenced(text: str, language: str) -> list[str]:
    """Return the code blocks of a page without indentation."""
    blocks = re.findall(rf'^( *)```{language}\n(.*?)^ *```', text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf'^{indent}', '', code, flags=re.MULTILINE) for indent, code in blocks]


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """Built site. A warning of the build, such as a broken link or an undocumented name, raises an error."""
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.mark.slow
def test_site_has_every_page(site):
    for page in (ROOT / 'docs').rglob('*.md'):
        path = site / page.relative_to(ROOT / 'docs').with_suffix('')
        path = path.parent if path.name in ('index', 'README') else path
        assert (path / 'index.html').is_file(), page
    assert (site / 'project/changelog/index.html').is_file()


@pytest.mark.slow
def test_equations_are_mathml(site):
    for page in ('concepts/dyreg_gnn', 'reference/api/regions'):
        text = (site / page / 'index.html').read_text(encoding='utf-8')
        assert '<math' in text and 'arithmatex' not in text and not re.search(r'\.\. math|:class:|\$\$', text)


@pytest.mark.slow
def test_site_needs_no_network(site):
    for page in site.rglob('*.html'):
        loaded = re.findall(r'<(?:script|img|link)[^>]*(?:src|href)="(https?:[^"]*)"', page.read_text(encoding='utf-8'))
        assert not loaded, page


def test_every_page_is_in_the_navigation():
    text = (ROOT / 'mkdocs.yml').read_text(encoding='utf-8')
    listed = {line for line in re.findall(r'[\w/]+\.md', yaml.safe_dump(yaml.safe_load(text)['nav']))}
    assert {page.relative_to(ROOT / 'docs').as_posix() for page in PAGES[:-3]} <= listed


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_point_to_files(page):
    for link in re.findall(r'\]\((?!\w+:|#)([^)\s#]+)', page.read_text(encoding='utf-8')):
        path = page.parent / link
        assert path.exists() or path.relative_to(ROOT / 'docs').as_posix() in COPIED.values(), link


def commands(page: Path) -> list[str]:
    """Return the lines of a page's shell blocks, with continued lines joined."""
    blocks = fenced(page.read_text(encoding='utf-8'), 'shell')
    return [line for block in blocks for line in re.sub(r'\\\n\s*', '', block).splitlines() if line.strip()]


def _sources(path: Path) -> str:
    """Return the text of a tool and of the modules that define its options."""
    text = path.read_text(encoding='utf-8')
    modules = {*re.findall(r'from dyreg_mmaction\.(cli\.\w+) import', text), 'cli.clips', 'cli.launch', 'cli.options'}
    return text + ''.join((ROOT / f'dyreg_mmaction/{name.replace(".", "/")}.py').read_text() for name in modules)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_have_existing_tools_configs_and_options(page):
    for command in commands(page):
        line = re.sub(r'\s#.*', '', command)
        paths = re.findall(r'(?<![\w./-])(?:\.\./)*(?:tools|configs)/[\w./-]+\.(?:py|sh)\b', line)
        for path in paths:
            assert (ROOT / re.sub(r'^(\.\./)+', '', path)).is_file(), line
        tools = [path for path in paths if 'tools/' in path and path.endswith('.py')]
        if len(tools) == 1:
            source = _sources(ROOT / re.sub(r'^(\.\./)+', '', tools[0]))
            for option in re.findall(r'(?<!\S)--[a-z][a-z0-9-]+', line):
                assert f"'{option}'" in source, f'{option} of {line}'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_is_valid_and_types_are_registered(page):
    text = page.read_text(encoding='utf-8')
    for code in fenced(text, 'python'):
        ast.parse(code)
    registries = (DATASETS, METRICS, MODELS, VISUALIZERS)
    for name in {*re.findall(r"type='((?:DyReg|Region|Motion|Box|CenterRep|Fixed|Static|Multi|Sync|RSTG)\w*)'", text)}:
        assert any(registry.get(name) for registry in registries) or f'class {name.removeprefix("DyReg")}(' in text, (
            name
        )


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_in_backticks_exist(page):
    text = re.sub(r'```.*?```', '', page.read_text(encoding='utf-8'), flags=re.DOTALL)
    for path in re.findall(r'`((?:tools|configs|docs|tests|dyreg_mmaction)/[\w./-]+\.(?:py|sh|md|png|jpg))`', text):
        assert (ROOT / path).exists() or page.name == 'CHANGELOG.md', path
    for path in re.findall(r'`(test_\w+/[\w/]+\.py)`', text):
        assert (ROOT / 'tests' / path).exists(), path


def test_examples_of_extending_run():
    namespace: dict = {}
    blocks = fenced((ROOT / 'docs/project/extending.md').read_text(encoding='utf-8'), 'python')
    for code in blocks:
        exec(code, namespace)
    added = ('PeakRegions', 'MeanGraph', 'SmallRegions', 'DyRegTinyNet')
    assert len(blocks) > 8 and all(MODELS.module_dict.pop(name) for name in added)


@pytest.mark.slow
def test_tools_page_is_up_to_date():
    run = subprocess.run([sys.executable, 'tools/dev/docs_tools.py'], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == (ROOT / 'docs/reference/tools.md').read_text(encoding='utf-8'), (
        'run python tools/dev/docs_tools.py > docs/reference/tools.md'
    )


def test_configs_page_lists_all_configs():
    text = (ROOT / 'docs/reference/configs.md').read_text(encoding='utf-8')
    missing = [path.name for path in (ROOT / 'configs').glob('*.py') if f'configs/{path.name})' not in text]
    assert not missing
