"""Check the videos of Something-Something V1 or V2, and write lists for MMAction2.

Examples:
    python tools/data/prepare_something.py v2 data/sthv2 --workers 8
    python tools/data/prepare_something.py v1 data/sthv1 --fast

An interrupted run is continued by the same command. docs/guides/something_something.md describes the folder layout.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from dyreg_mmaction.datasets.something.lists import V1, V2, prepare


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('version', choices=['v1', 'v2'], help='version of Something-Something')
    parser.add_argument('root', type=Path, help='folder of the dataset, to which the lists are written')
    parser.add_argument(
        '--labels', type=Path, help='folder of the label files (default: ROOT/labels or ROOT/annotations)'
    )
    parser.add_argument(
        '--media', type=Path, help='folder of videos or frames (default: ROOT/videos or ROOT/rawframes)'
    )
    parser.add_argument('--fast', action='store_true', help='only check that the videos exist')
    parser.add_argument('--drop-broken', action='store_true', help='exclude missing and damaged videos from the lists')
    parser.add_argument('--force', action='store_true', help='replace lists that differ')
    parser.add_argument(
        '--workers', type=int, default=os.cpu_count() or 1, help='number of processes (default: one per core)'
    )
    return parser.parse_args()


def main() -> None:
    """Check the videos and write the lists."""
    options = vars(parse_args())
    version = {'v1': V1, 'v2': V2}[options.pop('version')]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # handle SIGTERM of job schedulers like Ctrl-C
    try:
        for path in prepare(version, **options):
            print(f'wrote {path}')
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('\ninterrupted: run the same command to continue')


if __name__ == '__main__':
    main()
