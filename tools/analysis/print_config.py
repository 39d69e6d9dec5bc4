"""Print a config merged with its bases and overrides."""

import argparse

from mmengine.config import DictAction

import dyreg_mmaction  # noqa: F401
from dyreg_mmaction.cli.configs import read_config
from dyreg_mmaction.cli.launch import exit_with_message


def main() -> None:
    """Print the config of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='config settings to override, as key=value')
    args = parser.parse_args()
    print(read_config(args.config, args.cfg_options).pretty_text)


if __name__ == '__main__':
    with exit_with_message():
        main()
