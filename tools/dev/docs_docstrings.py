"""Griffe extension that converts docstrings from reStructuredText to Markdown for the site."""

import re
import textwrap
from typing import Any

import griffe


class Markdown(griffe.Extension):
    """Rewrite roles, equations and code blocks of every docstring."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Convert the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)


def to_markdown(text: str) -> str:
    """Return a docstring with equations between $ and names in backticks."""
    text = re.sub(r':math:`([^`]*)`', r'\\(\1\\)', text)
    text = re.sub(r':\w+:`[~.]?([^`]*)`', r'`\1`', text)
    text = text.replace('``', '`').replace('    **kwargs:', '    **kwargs (Any):')
    text = re.sub(r'^    ((?:[a-z_]+, )+[a-z_]+)( \([^)]*\))?: ', _arguments, text, flags=re.MULTILINE)
    return re.sub(r'^( *)\.\. (math|code):: ?(\w*)\n((?:\1 +.*\n|\n)*(?:\1 +.*\Z)?)', _block, text, flags=re.MULTILINE)


def _arguments(match: re.Match) -> str:
    """Split arguments that share a description into lines; the last line has the description."""
    *others, last = match[1].split(', ')
    kind = match[2] or ' (Any)'
    lines = [*(f'    {name}{kind}: See `{last}`.' for name in others), f'    {last}{kind}: ']
    return '\n'.join(lines)


def _block(match: re.Match) -> str:
    indent, kind, language, body = match.groups()
    body = textwrap.dedent(body).strip('\n')
    lines = ['$$', ' '.join(body.split()), '$$'] if kind == 'math' else [f'```{language}', *body.splitlines(), '```']
    return '\n'.join(['', *(indent + line for line in lines), '', ''])
