"""Write results/backbones.json and the table of docs/guides/backbones.md.

``python tests/backbone_table.py [BACKBONE ...]`` computes the rows of all, or of some.
"""

import json
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))

from backbone_cases import CASES  # noqa: E402
from backbone_checks import CHECKS  # noqa: E402

import dyreg_mmaction  # noqa: E402, F401  (before MMAction2)
from dyreg_mmaction.models import backbones  # noqa: E402

RESULTS = ROOT / 'results' / 'backbones.json'
DOCS = ROOT / 'docs' / 'guides' / 'backbones.md'
ROWS = {case.backbone['type'].removeprefix('DyReg'): name for name, case in reversed(CASES.items()) if case.head}


def read() -> dict[str, dict[str, str | None]]:
    """Return the reason why a check does not hold, or None, by backbone and column."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def render(results: dict[str, dict[str, str | None]]) -> str:
    """Return the table, and that of backbones without plugins."""
    lines = ['| backbone | ' + ' | '.join(CHECKS) + ' |', '|---' * (len(CHECKS) + 1) + '|']
    for name in sorted(results):
        cells = [results[name][column] or '✓' for column in CHECKS]
        lines.append(f'| `DyReg{name}` | ' + ' | '.join(cells) + ' |')
    lines += ['', '| without plugins | why |', '|---|---|']
    lines += [f'| `{name}` | {reason} |' for name, reason in sorted(backbones.ABSENT.items())]
    return '\n'.join(lines)


def write(results: dict[str, dict[str, str | None]]) -> None:
    """Write both files; the table is between two comments."""
    RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + '\n')
    start, end = '<!-- table -->\n', '\n<!-- end of table -->'
    head, rest = DOCS.read_text().split(start)
    DOCS.write_text(head + start + render(results) + end + rest.split(end)[1])


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    results = read()
    for column, check in CHECKS.items():
        for row in sys.argv[1:] or ROWS:
            results.setdefault(row, {})[column] = check(ROWS[row])
            print(f'{row}, {column}: {results[row][column] or "yes"}', flush=True)
            RESULTS.write_text(json.dumps(dict(sorted(results.items())), indent=1) + '\n')
    write(results)
