"""Make MiniSomething, a small stand-in for Something-Something V2: real video files, label files, boxes and lists.

Example:
    python tools/data/make_mini_something.py data/mini_something --train 480 --val 160 --workers 2

Interrupted, the same command goes on where it stopped.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from dyreg_mmaction.datasets.synthetic.mini_something.generator import generate_mini_something


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument('out', type=Path, help='folder to write to')
    parser.add_argument('--train', type=int, default=480, help='number of training clips')
    parser.add_argument('--val', type=int, default=160, help='number of validation clips')
    parser.add_argument('--seed', type=int, default=0, help='another seed, other clips')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, help='number of processes')
    parser.add_argument('--pan', type=float, default=0, help='way of the camera from the middle frame on, in pixels')
    parser.add_argument('--shake', type=float, default=0, help="the camera's shake in each frame, in pixels")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is as good as Ctrl-C
    try:
        generate_mini_something(args.out, args.train, args.val, args.seed, args.workers, args.pan, args.shake)
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('\ninterrupted: the same command goes on from here')


if __name__ == '__main__':
    main()
