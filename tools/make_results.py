"""Rebuild the tables of the docs from the files in results/.

Example:
    python tools/make_results.py           # after changing a file in results/
    python tools/make_results.py --check   # exit with 1 if a page is out of date

A page contains ``<!-- results/NAME.json -->`` and ``<!-- end of results/NAME.json -->``; the lines between them are
replaced by the table of that file. ``results/README.md`` lists all results with their commands.

A file has ``title``, ``command``, ``seeds``, ``machine``, ``time`` and ``setting`` (what differs from the paper), and
either ``columns`` and ``rows``, or ``runs``, the output of ``tools/analysis/study.py``, with ``metrics``: for each
column of numbers its key, title, factor and number of decimals. A list in a cell has one value per seed. The curves of
these keys, means and ranges over the seeds, are drawn into the file ``picture`` of ``docs/figures``, if it is set.

With ``paper``, the table gets the numbers of the papers next to ours, as a column with this ``title`` or, if models are
columns, as a row. Its ``values`` give for each model a table of ``results/paper.json`` and a row of it; models that are
not in the table are skipped.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ABOUT = ('command', 'seeds', 'machine', 'time', 'setting')
# a start mark, its file, and the next mark or end of the page
BETWEEN_MARKS = re.compile(r'(<!-- results/(\S+\.json) -->).*?(<!-- end of \S+ -->|(?=<!-- results/)|\Z)', re.DOTALL)
PAPER: dict[str, dict] = {}  # tables of the papers by name: setting, and values by row


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--check', action='store_true', help='write nothing; exit with 1 if a page is out of date')
    parser.add_argument('--root', type=Path, default=ROOT, help='folder that contains results/ and docs/')
    return parser.parse_args()


def main() -> None:
    """Rebuild or check all pages."""
    args = parse_args()
    if not (args.root / 'results').is_dir():
        raise SystemExit(f'--root {args.root} has no folder results/; pass the folder that contains results/ and docs/')
    results = read_results(args.root / 'results')
    for path in (args.root / 'results').glob('paper.json'):
        PAPER.update(json.loads(path.read_text()))
    pages = {args.root / 'results/README.md': overview(results)}
    for path in sorted((args.root / 'docs').rglob('*.md')):
        pages[path] = fill(path.read_text(), results, path)
    changed = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    for path in changed:
        print(f'{"out of date" if args.check else "written"}: {path.relative_to(args.root)}')
        if not args.check:
            path.write_text(pages[path])
    for result in results.values():
        if not args.check and 'runs' in result and 'picture' in result:
            draw(result, args.root / 'docs/figures' / result['picture'])
    if args.check and changed:
        raise SystemExit('run python tools/make_results.py')


def read_results(folder: Path) -> dict[str, dict]:
    """Return the results by file name; files without a title, such as backbones.json, have their own tool.

    Raises:
        SystemExit: If a file lacks an entry.
    """
    results = {}
    for path in sorted(folder.glob('*.json')):
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise SystemExit(f'{path} is not valid JSON: {error}; write it again') from None
        if 'title' in content:
            if missing := [key for key in ABOUT if key not in content]:
                raise SystemExit(f'{path} has no {", ".join(missing)}; add them')
            results[path.name] = content
    return results


def fill(text: str, results: dict[str, dict], path: Path) -> str:
    """Return a page with up-to-date tables.

    Raises:
        SystemExit: If a file or an end marker is missing.
    """

    def replace(found: re.Match) -> str:
        start, name, end = found[1], found[2], f'<!-- end of results/{found[2]} -->'
        if name not in results:
            raise SystemExit(f'{path} has {start}, but results/{name} does not exist or has no title; remove the table')
        if found[3] != end:
            raise SystemExit(f'{path} has {start}, but not {end}; add it after the table')
        return f'{start}\n\n{table(results[name])}\n\n{end}'

    return BETWEEN_MARKS.sub(replace, text)


def overview(results: dict[str, dict]) -> str:
    """Return the page of all results."""
    lines = ['# Results', '', 'Written by `python tools/make_results.py` from the JSON files of this folder.']
    for name, result in results.items():
        lines += ['', f'## {result["title"]}', '', f'[{name}]({name})', '', '```shell', result['command'], '```', '']
        lines += [f'- {key}: {result[key]}' for key in ABOUT[1:]]
        if (picture := result.get('picture')) is not None:
            lines += ['', f'![{result["title"]}](../docs/figures/{picture})']
        lines += ['', table(result)]
    return '\n'.join(lines) + '\n'


def table(result: dict) -> str:
    """Return the Markdown table of a result."""
    columns, rows = (result['columns'], result['rows']) if 'rows' in result else rows_of_runs(result)
    columns, rows, notes = with_paper(result, columns, rows) if 'paper' in result else (columns, rows, [])
    if wrong := next((row for row in rows if len(row) != len(columns)), None):
        raise SystemExit(
            f'{result["title"]}: the row {wrong[0]} has {len(wrong)} cells, but {len(columns)} columns exist'
        )
    lines = ['| ' + ' | '.join(columns) + ' |', '|---' * len(columns) + '|']
    lines += ['| ' + ' | '.join(cell(value, result.get('seeds_shown', 'mean')) for value in row) + ' |' for row in rows]
    return '\n'.join([*lines, *notes])


def with_paper(result: dict, columns: list[str], rows: list[list]) -> tuple[list[str], list[list], list[str]]:
    """Add the numbers of the papers, and notes that compare the settings.

    Raises:
        SystemExit: If a table or row of the papers does not exist, or no model of the table has a number.
    """
    title, names = result['paper']['title'], [str(row[0]).strip('`') for row in rows]
    models = names if set(names) & set(result['paper']['values']) else [column.strip('`') for column in columns[1:]]
    settings: dict[str, list[str]] = {}
    cells = []
    for model in models:
        source, row = result['paper']['values'].get(model, (None, None))
        if source is not None:
            if row not in PAPER.get(source, {}).get('values', {}):
                raise SystemExit(f'{result["title"]}: results/paper.json has no {source}, {row}; add it')
            settings.setdefault(PAPER[source]['setting'], []).append(source)
        cells.append('-' if source is None else f'{PAPER[source]["values"][row]}')
    if not settings:
        raise SystemExit(f'{result["title"]}: no row or column is one of {", ".join(result["paper"]["values"])}')
    if models == names:
        columns, rows = [*columns, title], [[*row, cell] for row, cell in zip(rows, cells, strict=True)]
    else:
        rows = [*rows, [title, *cells]]
    notes = [f'Paper ({" and ".join(dict.fromkeys(of))}): {setting}.' for setting, of in settings.items()]
    return columns, rows, ['', *notes, f'Here: {result["setting"].split(": ", 1)[-1]}.']


def rows_of_runs(result: dict) -> tuple[list[str], list[list]]:
    """Return columns and rows of the runs of a study: one row per config, at the last point that all runs reached."""
    runs, metrics = [run for run in result['runs'] if not run.get('diverged')], result['metrics']
    videos = min((run['curve'][-1]['videos'] for run in runs), default=0)
    _check(result['title'], runs, metrics, videos)
    rows = []
    for name in dict.fromkeys(run['name'] for run in result['runs']):
        own = [run for run in runs if run['name'] == name]
        diverged = sum(run['name'] == name for run in result['runs']) - len(own)
        row: list[Any] = [f'`{name}`', f'{len(own)}, {diverged} diverged' if diverged else len(own)]
        for metric in metrics:
            points = [next(p for p in run['curve'] if p['videos'] >= metric.get('videos', videos)) for run in own]
            values = [value_of(point, metric['key']) for point in points]
            known = [value * metric.get('factor', 1) for value in values if value is not None]
            row.append(spread(known, metric['decimals']))
        rows.append(row)
    return ['config', 'seeds', *(metric['title'].format(videos=videos) for metric in metrics)], rows


def _check(title: str, runs: list[dict], metrics: list[dict], videos: float) -> None:
    """Check that the runs have the values of the metrics.

    Raises:
        SystemExit: If no run has a metric, or some run has not reached its number of videos.
    """
    for metric in metrics:
        if runs and all(value_of(run['curve'][-1], metric['key']) is None for run in runs):
            known = ', '.join(runs[0]['curve'][-1])
            raise SystemExit(f'{title}: no run has the metric {metric["key"]!r}; choose from {known}')
        if metric.get('videos', 0) > videos:
            raise SystemExit(f'{title}: a column is after {metric["videos"]} videos, but a run has only {videos:.0f}')


def draw(result: dict, path: Path) -> None:
    """Draw the curves of all metrics over the training videos."""
    from matplotlib.figure import Figure

    keys = dict.fromkeys(metric['key'] for metric in result['metrics'])
    figure = Figure(figsize=(6 * len(keys), 4), layout='constrained')
    for axes, key in zip(figure.subplots(1, len(keys), squeeze=False)[0], keys, strict=True):
        runs = [run for run in result['runs'] if not run.get('diverged')]
        for name in dict.fromkeys(run['name'] for run in runs):
            curves = [run['curve'] for run in runs if run['name'] == name]
            length = min(map(len, curves))
            values = [[value_of(point, key) for point in curve[:length]] for curve in curves]
            if None not in values[0]:
                x, y = [point['videos'] for point in curves[0][:length]], np.array(values, float)
                (line,) = axes.plot(x, y.mean(0), label=name)
                axes.fill_between(x, y.min(0), y.max(0), alpha=0.2, color=line.get_color())
        axes.set(xlabel='training videos', title=key)
        axes.legend(fontsize='small')
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def value_of(point: dict[str, float], key: str) -> float | None:
    """Return the value of a key, or of a ratio ``a : b`` of two keys."""
    first, _, second = key.partition(' : ')
    if first not in point or second and second not in point:
        return None
    return point[first] / point[second] if second else point[first]


def cell(value: Any, seeds_shown: str) -> str:
    """Return the text of a cell."""
    if not isinstance(value, list):
        return str(value)
    if seeds_shown == 'all':
        return ' / '.join('-' if each is None else str(each) for each in value)
    return spread([each for each in value if each is not None], 1)


def spread(values: list[float], decimals: int) -> str:
    """Return mean and standard deviation."""
    if not values:
        return '-'
    deviation = f' ± {np.std(values, ddof=1):.{decimals}f}' if len(values) > 1 else ''
    return f'{np.mean(values):.{decimals}f}{deviation}'


if __name__ == '__main__':
    main()
