"""Derive epochs, batch size, learning rate and clip length from data and hardware."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

# memory in GB per frame of a clip in training, and learning rate of AdamW for a batch of 16 clips
COSTS = dict(r50=(0.16, 1e-4), r18=(0.02, 1e-3))
# number of training clips by (device, from scratch)
CLIPS_SEEN = {('cpu', True): 1600, ('cpu', False): 400, ('gpu', True): 12000, ('gpu', False): 6000}


class Machine(NamedTuple):
    """Available hardware.

    Attributes:
        gpus (int): Number of GPUs.
        memory (float): Memory of one GPU or, without GPUs, of the computer in GB.
        cores (int): Number of CPU cores.
    """

    gpus: int
    memory: float
    cores: int

    @property
    def processes(self) -> int:
        """Number of training processes: one per GPU, or at most two on a CPU."""
        return self.gpus or min(2, self.cores)


def this_machine() -> Machine:
    """Return the hardware that this process can use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    if torch.cuda.is_available():
        memory = min(torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count()))
        return Machine(torch.cuda.device_count(), memory / 2**30, cores)
    return Machine(0, available_memory() / 2**30, cores)


def available_memory() -> int:
    """Return the available bytes of memory. On Linux this includes the cache of files, which SC_AVPHYS_PAGES does not.

    On other systems all memory counts.
    """
    try:
        found = re.search(r'MemAvailable: *(\d+) kB', Path('/proc/meminfo').read_text(encoding='ascii'))
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


class Plan(NamedTuple):
    """Training settings. ``batch_size`` and ``workers`` are per process."""

    frames: int
    epochs: int
    batch_size: int
    lr: float
    workers: int


def derive_frames(machine: Machine, median_frames: float) -> int:
    """Return 16 on a GPU with at least 16 GB for videos of at least 32 frames, otherwise 8."""
    return 16 if machine.gpus and machine.memory >= 16 and median_frames >= 32 else 8


def derive_plan(
    machine: Machine, num_videos: int, model: str, from_scratch: bool, frames: int, given: Mapping[str, Any]
) -> Plan:
    """Derive the training settings.

    A batch uses at most 60 % of the memory and a quarter of the videos, so that an epoch has at least four iterations.
    The number of epochs, 10 to 60, gives a fixed number of training clips. The learning rate is proportional to the
    square root of the batch size.

    Args:
        machine (Machine): Hardware for training.
        num_videos (int): Number of training videos.
        model (str): 'r50' or 'r18'.
        from_scratch (bool): Whether all weights are random.
        frames (int): Clip length.
        given (Mapping[str, Any]): Settings of the user. Values that are not None replace the derived ones.

    Returns:
        Plan: The settings.

    Raises:
        ValueError: If a chosen value is too small, or the batch is larger than half of the videos.
    """
    for name, value in given.items():
        if value is not None and not value > 0:
            raise ValueError(f'--{name.replace("_", "-")} {value} must be positive')
    processes = machine.processes
    memory, lr = COSTS[model]
    most = 16 if machine.gpus else 8 if model == 'r18' else 2
    fitting = int(0.6 * machine.memory / (1 if machine.gpus else processes) / (memory * frames))
    batch = given.get('batch_size') or max(1, min(most, fitting, num_videos // (4 * processes)))
    if batch * processes > max(num_videos // 2, 1) and not given.get('batch_size'):
        raise ValueError(
            f'{processes} processes need at least {2 * processes} training videos, not {num_videos}; add videos'
        )
    if batch * processes > max(num_videos // 2, 1):
        raise ValueError(
            f'--batch-size {batch} in {processes} processes is more than half of {num_videos} training videos; lower it'
        )
    seen = CLIPS_SEEN['gpu' if machine.gpus else 'cpu', from_scratch]
    return Plan(
        frames=frames,
        epochs=given.get('epochs') or min(max(round(seen / num_videos), 10), 60),
        batch_size=batch,
        lr=given.get('lr') or float(f'{lr * (batch * processes / 16) ** 0.5:.2g}'),
        workers=given.get('workers') or max(1, min(8, machine.cores // processes - 1)),
    )
