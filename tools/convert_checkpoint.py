"""Convert a checkpoint of the released DyReg-GNN code, or of the TSM repository, to this package and MMAction2."""

import argparse
from collections import Counter
from pathlib import Path
from pprint import pformat

from dyreg_mmaction.checkpoints import convert_released, load_file, save_file


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('src', type=Path, help='released checkpoint, of a whole model or of one DynamicGraphWrapper')
    parser.add_argument('dst', type=Path, help='file to write')
    parser.add_argument('--force', action='store_true', help='overwrite the file if it exists')
    return parser.parse_args()


def convert(src: Path, dst: Path, force: bool) -> None:
    """Convert a file, and say what became of it."""
    if dst.exists() and not force:
        raise FileExistsError(f'{dst} exists; choose another file, or pass --force to overwrite it')
    if not dst.parent.is_dir():
        raise FileNotFoundError(f'there is no folder {dst.parent} to write to; make it first')
    source = load_file(src)
    state, dropped, config = convert_released(source)
    save_file(dict(meta=dict(converted_from=src.name), state_dict=state), dst)
    for reason, count in Counter(dropped.values()).items():
        print(f'dropped {count} ({reason}):')
        print('\n'.join(f'  {key}' for key, why in dropped.items() if why == reason))
    print(f'{len(state)} tensors are in {dst}. They fit\n{pformat(config, sort_dicts=False, width=110)}')


def main() -> None:
    args = parse_args()
    try:
        convert(args.src, args.dst, args.force)
    except (ValueError, OSError) as error:
        raise SystemExit(f'convert_checkpoint.py: {error}') from error


if __name__ == '__main__':
    main()
