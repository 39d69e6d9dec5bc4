"""The command ``dyreg``: what is in tools/, for those who have installed the package and have no clone."""

import importlib
import sys

COMMANDS = dict(
    train_folder='train and test a model on your own videos: a folder with a sub-folder for each class',
    train='train a model by a config',
    test='test a checkpoint on the dataset of a config',
    predict='predict the classes of videos, whole or window by window',
    regions='draw where the nodes of a model look',
    export='write a model as one ONNX or torch.export file',
)


def main() -> None:
    """Run a module of ``dyreg_mmaction.cli`` by its name; each has a function ``main``."""
    command, arguments = (sys.argv + ['--help'])[1], sys.argv[2:]
    if command in COMMANDS:
        sys.argv = [f'dyreg {command}', *arguments]
        importlib.import_module(f'dyreg_mmaction.cli.{command}').main()
        return
    usage = ['usage: dyreg COMMAND ...', '', *(f'  {name:14}{what}' for name, what in COMMANDS.items())]
    print('\n'.join([*usage, '', 'dyreg COMMAND --help shows the options of a command.']))
    if command not in ('-h', '--help'):
        raise SystemExit(f'dyreg: {command!r} is no command; choose one of {", ".join(COMMANDS)}')


if __name__ == '__main__':
    main()
