"""Convert a checkpoint of the released DyReg-GNN code, or of the TSM repository, to this package and MMAction2.

Checkpoints that MMAction2 can load are only converted between .pth and .safetensors, which contains weights but no
state for resuming.
"""

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from pprint import pformat

from dyreg_mmaction.checkpoints import convert_released, load_file, save_file

WRITTEN = ('mmengine_version', 'converted_from')


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        'src',
        type=Path,
        help='released checkpoint of a model or of one DynamicGraphWrapper, or checkpoint of this package',
    )
    parser.add_argument('dst', type=Path, help='file to write, .pth or .safetensors')
    parser.add_argument('--force', action='store_true', help='overwrite the file if it exists')
    return parser.parse_args()


def convert(src: Path, dst: Path, force: bool) -> None:
    """Convert a file and print the result.

    Raises:
        FileExistsError: If ``dst`` exists, without ``force``.
        FileNotFoundError: If ``src`` or the folder of ``dst`` does not exist.
        ValueError: If ``src`` cannot be converted.
    """
    if dst.exists() and not force:
        raise FileExistsError(f'{dst} exists; choose another file, or pass --force to overwrite it')
    if not dst.parent.is_dir():
        raise FileNotFoundError(f'folder {dst.parent} does not exist; create it first')
    source = load_file(src)
    if _is_ours(src, source):
        state = {key.removeprefix('module.'): value for key, value in source['state_dict'].items()}
        save_file(dict(meta=source.get('meta', {}), state_dict=state), dst)
        print(f'wrote {len(state)} tensors to {dst}')
        return
    state, dropped, config = convert_released(source)
    save_file(dict(meta=dict(converted_from=src.name), state_dict=state), dst)
    for reason, count in Counter(dropped.values()).items():
        print(f'dropped {count} ({reason}):')
        print('\n'.join(f'  {key}' for key, why in dropped.items() if why == reason))
    print(f'wrote {len(state)} tensors to {dst} for this config:\n{pformat(config, sort_dicts=False, width=110)}')


def _is_ours(path: Path, content: Mapping) -> bool:
    """Return whether this tool or MMEngine wrote the checkpoint."""
    meta = content.get('meta')
    return path.suffix == '.safetensors' or (isinstance(meta, Mapping) and not meta.keys().isdisjoint(WRITTEN))


def main() -> None:
    """Convert the checkpoint of the command line."""
    args = parse_args()
    try:
        convert(args.src, args.dst, args.force)
    except (ValueError, OSError) as error:
        raise SystemExit(f'convert_checkpoint.py: {error}') from error


if __name__ == '__main__':
    main()
