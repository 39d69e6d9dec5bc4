"""Tables of the docs are generated from the files in results/."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ABOUT = dict(title='T', command='train', seeds='0, 1', machine='CPU', time='1 min', setting='small')
PAGE = '# Page\n\n<!-- results/a.json -->\n<!-- end of results/a.json -->\n\nText.\n'
TABLE = '| x | y |\n|---|---|\n| a | 2.0 ± 1.4 |\n'


@pytest.fixture
def make(monkeypatch):
    def make(*arguments):
        monkeypatch.setattr(sys, 'argv', ['make_results.py', *map(str, arguments)])
        runpy.run_path(str(ROOT / 'tools/make_results.py'), run_name='__main__')

    return make


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'results').mkdir()
    (tmp_path / 'docs').mkdir()
    (tmp_path / 'docs/page.md').write_text(PAGE)
    (tmp_path / 'results/a.json').write_text(json.dumps(ABOUT | dict(columns=['x', 'y'], rows=[['a', [1.0, 3.0]]])))
    return tmp_path


def test_pages_of_the_docs_are_up_to_date(make):
    make('--check')


def test_every_result_is_on_a_page():
    pages = ''.join(path.read_text() for path in (ROOT / 'docs').rglob('*.md'))
    named = [path.name for path in (ROOT / 'results').glob('*.json') if 'title' in json.loads(path.read_text())]
    assert len(named) > 10 and [name for name in named if f'<!-- results/{name} -->' not in pages] == []


def test_files_and_options_of_every_command_exist():
    options = (ROOT / 'docs/reference/tools.md').read_text()
    num_files, missing = 0, []
    for path in (ROOT / 'results').glob('*.json'):
        cwd = ROOT
        for line in json.loads(path.read_text()).get('command', '').replace('\\\n', ' ').splitlines():
            if found := re.search(r'\bcd ([^\s&;]+)', line):
                cwd = cwd / found[1]
            files = re.findall(r'(?<![\w./$])[\w./-]+\.(?:py|sh)\b', line)
            num_files += len(files)
            missing += [(path.name, file) for file in files if not (cwd / file).is_file()]
            missing += [
                (path.name, name) for name in re.findall(r' (--[a-z][\w-]*)', line) if f'`{name}`' not in options
            ]
            cwd = ROOT if line.rstrip().endswith(')') else cwd  # of a subshell
    assert not missing and num_files > 40


def test_table_is_written_between_its_marks(make, folder):
    for _ in range(2):
        make('--root', folder)
        assert TABLE in (folder / 'docs/page.md').read_text()
    assert (folder / 'docs/page.md').read_text().endswith('<!-- end of results/a.json -->\n\nText.\n')
    overview = (folder / 'results/README.md').read_text()
    assert TABLE in overview and '```shell\ntrain\n```' in overview and '- machine: CPU' in overview


def test_page_that_is_out_of_date_is_reported(make, folder, capsys):
    make('--root', folder)
    page = folder / 'docs/page.md'
    page.write_text(page.read_text().replace('2.0', '3.0'))
    with pytest.raises(SystemExit, match='run python tools/make_results.py'):
        make('--root', folder, '--check')
    assert capsys.readouterr().out.endswith('out of date: docs/page.md\n') and '3.0' in page.read_text()


def test_runs_of_a_study_become_a_table(make, folder):
    runs = [
        dict(name=name, seed=seed, curve=[{'videos': v, 'acc': a * v / 200, 'd': 1.0, 'o': 2.0} for v in (100, 200)])
        for name, a in (('fixed', 0.5), ('moving', 0.9))
        for seed in (0, 1)
    ]
    runs[0]['curve'].append({'videos': 300, 'acc': 1.0, 'd': 0.0, 'o': 2.0})  # beyond what all runs have reached
    metrics = [
        dict(key='acc', title='top-1 after 100', factor=100, decimals=1, videos=100),
        dict(key='acc', title='top-1 after {videos:,}', factor=100, decimals=0),
        dict(key='d : o', title='ratio', decimals=2),
    ]
    content = ABOUT | dict(runs=runs, metrics=metrics, picture='a.png')
    (folder / 'results/a.json').write_text(json.dumps(content))
    make('--root', folder)
    text = (folder / 'docs/page.md').read_text()
    assert '| config | seeds | top-1 after 100 | top-1 after 200 | ratio |' in text
    assert (folder / 'docs/figures/a.png').stat().st_size > 10_000
    assert '| `moving` | 2 | 45.0 ± 0.0 | 90 ± 0 | 0.50 ± 0.00 |' in text


@pytest.mark.parametrize('models', ['rows', 'columns'])
def test_numbers_of_the_paper_are_next_to_ours(make, folder, models):
    paper = dict(title='paper', values=dict(fixed=['Table 5', 'Fixed'], another=['Table 5', 'Other']))
    shape = (
        dict(columns=['config', 'top-1'], rows=[['`fixed`', 80], ['`moving`', 90]])
        if models == 'rows'
        else dict(columns=['videos', '`fixed`', '`moving`'], rows=[[100, 80, 90]])
    )
    (folder / 'results/a.json').write_text(json.dumps(ABOUT | shape | dict(paper=paper)))
    with pytest.raises(SystemExit, match='results/paper.json has no Table 5, Fixed; add it'):
        make('--root', folder)
    tables = {'Table 5': dict(setting='five digits', values=dict(Fixed='78.85'))}
    (folder / 'results/paper.json').write_text(json.dumps(tables))
    make('--root', folder)
    text = (folder / 'docs/page.md').read_text()
    assert '\n\nPaper (Table 5): five digits.\nHere: small.\n\n<!-- end' in text
    if models == 'rows':
        assert '| config | top-1 | paper |' in text and '| `fixed` | 80 | 78.85 |\n| `moving` | 90 | - |' in text
    else:
        assert '| 100 | 80 | 90 |\n| paper | 78.85 | - |' in text
    paper['values'].pop('fixed')
    (folder / 'results/a.json').write_text(json.dumps(ABOUT | shape | dict(paper=paper)))
    with pytest.raises(SystemExit, match='no row or column is one of another'):
        make('--root', folder)


def test_numbers_of_the_papers_are_in_their_text():
    folder = ROOT.parent / 'shared/paper'
    if not folder.is_dir():
        pytest.skip('../shared/paper with the text of the papers does not exist')
    for table, content in json.loads((ROOT / 'results/paper.json').read_text()).items():
        text = (
            folder / ('rstg_neurips2019_poster.txt' if 'RSTG' in table else 'dyreg_gnn_neurips2021.txt')
        ).read_text()
        for row, value in content['values'].items():
            assert any(row in line and value in line for line in text.splitlines()), (table, row, value)


def test_two_tables_of_a_page_are_written(make, folder):
    """Also two tables of the same file; the text between and after them is kept."""
    (folder / 'results/b.json').write_text(json.dumps(ABOUT | dict(columns=['z'], rows=[['c']])))
    page = folder / 'docs/page.md'
    page.write_text(PAGE + PAGE.replace('a.json', 'b.json') + PAGE)
    make('--root', folder)
    text = page.read_text()
    assert text.count(TABLE) == 2 and text.count('| z |\n|---|\n| c |') == 1 and text.count('Text.\n') == 3
    make('--root', folder, '--check')


def test_diverged_runs_are_counted_and_not_averaged(make, folder):
    def run(seed, **others):
        return dict(name='moving', seed=seed, curve=[dict(videos=100, acc=0.5)]) | others

    runs = [run(0), run(1, diverged='the loss is nan', curve=[]), run(2)]
    metrics = [dict(key='acc', title='top-1', decimals=1)]
    (folder / 'results/a.json').write_text(json.dumps(ABOUT | dict(runs=runs, metrics=metrics, picture='a.png')))
    make('--root', folder)
    assert '| `moving` | 2, 1 diverged | 0.5 ± 0.0 |' in (folder / 'docs/page.md').read_text()


@pytest.mark.parametrize(
    ('metric', 'sentence'),
    [
        (dict(key='accuracy'), "T: no run has the metric 'accuracy'; choose from videos, acc"),
        (dict(key='acc', videos=200), 'T: a column is after 200 videos, but a run has only 100'),
    ],
)
def test_metrics_that_the_runs_do_not_have_raise_errors(make, folder, metric, sentence):
    runs = [dict(name='moving', seed=0, curve=[dict(videos=100, acc=0.5)])]
    content = ABOUT | dict(runs=runs, metrics=[dict(title='t', decimals=1) | metric])
    (folder / 'results/a.json').write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=sentence):
        make('--root', folder)


FAULTS = {
    'no command': 'a.json has no command, seeds',
    'no end': 'add it after the table',
    'end of another table': 'page.md has .* but not <!-- end of results/a.json -->',
    'next table instead of the end': 'page.md has .* but not <!-- end of results/a.json -->',
    'no file': 'page.md has <!-- results/a.json -->, but results/a.json does not exist',
    'half a file': 'a.json is not valid JSON: ',
    'short row': 'T: the row a has 1 cells, but 2 columns exist',
}


@pytest.mark.parametrize('fault', FAULTS)
def test_missing_entries_raise_errors(make, folder, fault):
    file, page, end = folder / 'results/a.json', folder / 'docs/page.md', '<!-- end of results/a.json -->'
    pages = {
        'no end': PAGE.replace(end, ''),
        'end of another table': PAGE.replace(end, end.replace('a.json', 'b.json')),
        'next table instead of the end': PAGE.replace(end, '') + PAGE,
    }
    page.write_text(pages.get(fault, PAGE))
    if fault == 'no command':
        file.write_text(json.dumps(dict(title='T')))
    elif fault == 'no file':
        file.unlink()
    elif fault == 'half a file':
        file.write_text(file.read_text()[:50])
    elif fault == 'short row':
        file.write_text(json.dumps(ABOUT | dict(columns=['x', 'y'], rows=[['a']])))
    before = page.read_text()
    with pytest.raises(SystemExit, match=FAULTS[fault]):
        make('--root', folder)
    assert page.read_text() == before
