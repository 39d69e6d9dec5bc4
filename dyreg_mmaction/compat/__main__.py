"""Print both lists of patches, as docs/project/compatibility.md shows them."""

from collections.abc import Iterable

from . import POLICIES, REPAIRS
from .patch import Patch


def table(patches: Iterable[Patch]) -> str:
    """Markdown table with a row for each patch."""
    rows = ['| patch | upstream | what is wrong and what changes | obsolete from |', '|---|---|---|---|']
    for patch in patches:
        name = f'{patch.apply.__module__.rpartition(".")[2]}.{patch.apply.__name__}'
        summary = patch.summary.replace('``', '`')
        rows.append(f'| `{name}` | `{patch.upstream}` | {summary} | {patch.fixed_in or "-"} |')
    return '\n'.join(rows)


if __name__ == '__main__':
    print('## Repairs', table(REPAIRS), '## Policies', table(POLICIES), sep='\n\n')
