"""Print docs/reference/tools.md, which lists the options of all commands.

python tools/dev/docs_tools.py > docs/reference/tools.md
"""

import argparse
import ast
import importlib.util
import re
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).parents[2]
FOLDERS = {'.': 'Training, testing, predicting', 'analysis': 'Analysis', 'data': 'Data', 'deploy': 'Deployment'}
MACHINE_DEPENDENT = {'device', 'workers', 'root'}  # arguments whose defaults differ between machines
INTRODUCTION = """# Tools

Options of every command, generated from the parsers by `tools/dev/docs_tools.py`; `--help` prints the same.

`tools/dist_train.sh` and `tools/dist_test.sh` run `train.py` and `test.py` with several processes, and
`tools/slurm_train.sh` and `tools/slurm_test.sh` through Slurm ([guide](../guides/distributed.md)).
`tools/train_multi.sh` trains one teacher for each module, and then the model that learns their regions.
"""


class _Parsed(Exception):
    pass


def read_parser(path: Path) -> argparse.ArgumentParser:
    """Return the parser of a tool as it is before the command line is parsed."""
    source = path.read_text(encoding='utf-8')
    imported = re.search(r'from (dyreg_mmaction\.cli\.\w+) import main', source)
    if imported:
        module = importlib.import_module(imported[1])
    else:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]
    parsers = []

    def stop(self, *args, **kwargs):
        parsers.append(self)
        raise _Parsed

    with patch.object(argparse.ArgumentParser, 'parse_args', stop):
        try:
            getattr(module, 'parse_args', getattr(module, 'main', None))()
        except _Parsed:
            pass
    return parsers[0]


def describe(path: Path) -> str:
    """Return the section of a tool."""
    source = path.read_text(encoding='utf-8')
    heading = f'### {path.relative_to(ROOT).as_posix()}'
    command = re.search(r'from dyreg_mmaction\.cli\.(\w+) import main', source)
    if not command and 'ArgumentParser' not in source:  # it takes positional arguments only, and runs when imported
        return f'{heading}\n\n{ast.get_docstring(ast.parse(source))}'
    parser = read_parser(path)
    lines = [heading, '', (parser.description or '').split('\n\n')[0].strip(), '']
    if command:
        lines += [f'Installed as `dyreg {command[1]}`.', '']
    lines += ['| argument | default | |', '|---|---|---|']
    for action in parser._actions:
        if '--help' not in action.option_strings and action.help != argparse.SUPPRESS:
            lines.append(f'| {_name(action)} | {_default(action)} | {_help(parser, action)} |')
    return '\n'.join(lines)


def _name(action: argparse.Action) -> str:
    names = ', '.join(f'`{name}`' for name in action.option_strings)
    if not names:
        return f'`{action.metavar or action.dest}`' + (' ...' if action.nargs in ('+', '*') else '')
    choices = '\\|'.join(map(str, action.choices)) if action.choices else ''
    value = '' if action.nargs == 0 else f' `{choices or action.metavar or action.dest.upper()}`'
    return (
        names
        + value.replace('(', '').replace(')', '').replace("'", '')
        + (' ...' if action.nargs in ('+', '*') else '')
    )


def _default(action: argparse.Action) -> str:
    if action.required and action.nargs not in ('*', '?'):
        return 'required'
    unset = action.default is None or action.default is False or action.default in (argparse.SUPPRESS, [], {})
    return '' if unset or action.dest in MACHINE_DEPENDENT else f'`{action.default}`'


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    text = ' '.join(((action.help or '') % dict(vars(action), prog=parser.prog)).split())
    if _default(action):
        text = re.sub(r' [(\[]default: [^)\]]*[)\]]$', '', text)
    return re.sub(r'\[all cores\]', '(default: all cores)', text).replace('|', '\\|').replace('<', '&lt;')


def main() -> None:
    """Print the page."""
    print(page(), end='')


def page() -> str:
    """Return the text of docs/reference/tools.md."""
    sections = [INTRODUCTION]
    for folder, title in FOLDERS.items():
        tools = [describe(path) for path in sorted((ROOT / 'tools' / folder).glob('*.py'))]
        sections += [f'## {title}\n', *(f'{tool}\n' for tool in tools if tool)]
    return '\n'.join(sections)


if __name__ == '__main__':
    main()
