"""The command ``dyreg``: the scripts of tools/ for installations without a clone of the repository."""

import importlib
import sys

COMMANDS = dict(
    folder='train and test a model on your own videos',
    train='train a model',
    test='test a checkpoint',
    predict='predict the classes of videos or of windows of them',
    regions='draw the regions of a model',
    export='export a model to ONNX or torch.export',
)


def main() -> None:
    """Run ``main`` of the module of ``dyreg_mmaction.cli`` that has the name of the command."""
    command, arguments = (sys.argv + ['--help'])[1], sys.argv[2:]
    if command in COMMANDS:
        sys.argv = [f'dyreg {command}', *arguments]
        importlib.import_module(f'dyreg_mmaction.cli.{command}').main()
        return
    usage = ['usage: dyreg COMMAND ...', '', *(f'  {name:14}{what}' for name, what in COMMANDS.items())]
    print('\n'.join([*usage, '', 'dyreg COMMAND --help shows the options of a command.']))
    if command not in ('-h', '--help'):
        raise SystemExit(f'dyreg: unknown command {command!r}; choose one of {", ".join(COMMANDS)}')


if __name__ == '__main__':
    main()
