"""Generate MiniSomething, a small substitute for Something-Something V2 with videos, label files, boxes and lists.

Example:
    python tools/data/make_mini_something.py data/mini_something --train 480 --val 160 --workers 2

An interrupted run is continued by the same command.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from dyreg_mmaction.datasets.synthetic.mini_something.generator import generate_mini_something


def parse_args() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('out', type=Path, help='folder to write to')
    parser.add_argument('--train', type=int, default=480, help='number of training clips')
    parser.add_argument('--val', type=int, default=160, help='number of validation clips')
    parser.add_argument('--seed', type=int, default=0, help='random seed of the clips')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='number of processes')
    parser.add_argument(
        '--pan', type=float, default=0, help='camera translation from the middle frame to the end, in pixels'
    )
    parser.add_argument('--shake', type=float, default=0, help='random camera translation in each frame, in pixels')
    return parser.parse_args()


def main() -> None:
    """Generate the dataset."""
    args = parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # handle SIGTERM of job schedulers like Ctrl-C
    try:
        generate_mini_something(args.out, args.train, args.val, args.seed, args.workers, args.pan, args.shake)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('\ninterrupted: run the same command to continue')


if __name__ == '__main__':
    main()
