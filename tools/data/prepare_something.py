"""Check the videos of Something-Something, V1 or V2, and write MMAction2's lists.

Examples:
    python tools/data/prepare_something.py v2 data/sthv2 --workers 8
    python tools/data/prepare_something.py v1 data/sthv1 --fast

Interrupted, the same command goes on where it stopped. tools/data/README.md says what the folder must hold.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from dyreg_mmaction.datasets.something.lists import V1, V2, prepare


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('version', choices=['v1', 'v2'], help='version of Something-Something')
    parser.add_argument('root', type=Path, help='folder of the data set, into which the lists go')
    parser.add_argument('--labels', type=Path, help='folder of the label files [ROOT/labels or ROOT/annotations]')
    parser.add_argument('--media', type=Path, help='folder of the videos [ROOT/videos], or of frames [ROOT/rawframes]')
    parser.add_argument('--fast', action='store_true', help='only look whether the videos are there')
    parser.add_argument('--drop-broken', action='store_true', help='leave missing and broken videos out of the lists')
    parser.add_argument('--force', action='store_true', help='replace lists that differ')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='number of processes [all cores]')
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    version = {'v1': V1, 'v2': V2}[options.pop('version')]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is as good as Ctrl-C
    try:
        for path in prepare(version, **options):
            print(f'wrote {path}')
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('\ninterrupted: the same command goes on from here')


if __name__ == '__main__':
    main()
