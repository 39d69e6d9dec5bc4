"""Measure time and memory of building a box table from a file in Something-Else's format, and of json.load.

OMP_NUM_THREADS=1 python tools/dev/benchmarks/bench_boxes.py [--megabytes 300]
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from dyreg_mmaction.datasets.boxes.files import read_videos
from dyreg_mmaction.datasets.boxes.table import BoxTable


def write_boxes(path: Path, size: int) -> None:
    """Write a file of about ``size`` bytes, with 24 to 59 frames and 1 to 3 objects per video as in Something-Else."""
    rng = np.random.default_rng(0)
    with path.open('w') as file:
        while file.tell() < size:
            name = f'{file.tell()}'
            corners = rng.uniform((0, 0), (320, 200), (rng.integers(1, 4), 2))
            frames = []
            for number in range(1, rng.integers(24, 60)):
                corners = corners + rng.normal(0, 2, corners.shape)
                boxes = [dict(x1=x, y1=y, x2=x + 60.5, y2=y + 40.25) for x, y in corners.tolist()]
                labels = [dict(box2d=box, category='toy', gt_annotation=f'object {i}') for i, box in enumerate(boxes)]
                frames.append(dict(name=f'{name}/{number:04}.jpg', labels=labels, nr_instances=len(boxes)))
            file.write(f'{"," if file.tell() else "{"} "{name}": {json.dumps(frames)}')
        file.write('}')


def load(path: Path) -> None:
    """Load the file as Python objects."""
    json.loads(path.read_text())


def read(path: Path) -> None:
    """Read the file video by video."""
    for _ in read_videos(path):
        pass


def build(path: Path) -> None:
    """Build the table for 9 nodes."""
    BoxTable(str(path), 9)


def measure(function: Callable[[Path], None], path: Path) -> tuple[float, float]:
    """Return process time in seconds, and growth of the peak memory in MB."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    function(path)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return time.process_time() - start, (after - before) / 1024


def main() -> None:
    """Measure the functions of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--megabytes', type=int, default=300, help='size of the file in MB')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'boxes.json'
        write_boxes(path, args.megabytes << 20)
        for function in (read, build, load):
            with get_context('spawn').Pool(1) as pool:  # peak memory is per process
                seconds, memory = pool.apply(measure, (function, path))
            print(f'{function.__name__:6} {seconds:6.1f} s {memory:8.0f} MB')


if __name__ == '__main__':
    main()
