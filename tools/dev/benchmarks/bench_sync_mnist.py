"""Measure clips of SyncMNIST and MultiSyncMNIST generated per second on one core: median of five runs.

    OMP_NUM_THREADS=1 python tools/dev/benchmarks/bench_sync_mnist.py [--data-root data/mnist]

Process time is measured, so other programs matter less.
"""

import argparse
import statistics
import time

import cv2
from mmengine.registry import init_default_scope

import dyreg_mmaction  # noqa: F401  (registers the datasets)
from dyreg_mmaction.registry import DATASETS

PIPELINE = [dict(type='FormatShape', input_format='NCTHW'), dict(type='PackActionInputs')]


def clips_per_second(dataset, num_clips: int, num_runs: int = 5) -> float:
    """Return the median over runs, each on different clips."""
    rates = []
    for run in range(num_runs):
        start = time.process_time()
        for index in range(run * num_clips, (run + 1) * num_clips):
            dataset[index]
        rates.append(num_clips / (time.process_time() - start))
    return statistics.median(rates)


def main() -> None:
    """Measure the datasets."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--data-root', help='folder with the files of MNIST (default: digits of scikit-learn)')
    parser.add_argument('--num-clips', type=int, default=1000, help='clips per run')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    init_default_scope('mmaction')
    print(f'{"dataset":16}{"digits":>8}{"clips/s":>12}{"packed/s":>12}')
    for name, digit_counts in (('MultiSyncMNIST', (3, 5, 9)), ('SyncMNIST', (3, 5))):
        for num_digits in digit_counts:
            config = dict(type=name, num_digits=num_digits, data_root=args.data_root)
            rates = [
                clips_per_second(DATASETS.build(dict(config, pipeline=pipeline)), args.num_clips)
                for pipeline in ([], PIPELINE)
            ]
            print(f'{name:16}{num_digits:8d}{rates[0]:12.0f}{rates[1]:12.0f}', flush=True)


if __name__ == '__main__':
    main()
