"""Print the Markdown tables of docs/project/compatibility.md."""

from collections.abc import Iterable

from . import POLICIES, REPAIRS
from .patch import Patch


def table(patches: Iterable[Patch]) -> str:
    """Return a Markdown table with one row per patch."""
    rows = ['| patch | upstream | fault and fix | obsolete from |', '|---|---|---|---|']
    for patch in patches:
        name = f'{patch.apply.__module__.rpartition(".")[2]}.{patch.apply.__name__}'
        summary = patch.summary.replace('``', '`')
        rows.append(f'| `{name}` | `{patch.upstream}` | {summary} | {patch.fixed_in or "-"} |')
    return '\n'.join(rows)


if __name__ == '__main__':
    print('## Repairs', table(REPAIRS), '## Policies', table(POLICIES), sep='\n\n')
