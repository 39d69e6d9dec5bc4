"""Epochs, batch size, learning rate and frames for a number of videos and a machine."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

# gigabytes of memory for a frame of a clip in training, learning rate of AdamW for 16 clips
COSTS = dict(r50=(0.16, 1e-4), r18=(0.02, 1e-3))
# clips seen in a whole training: on a CPU and on a GPU, from scratch and from pretrained weights
CLIPS_SEEN = {('cpu', True): 1600, ('cpu', False): 400, ('gpu', True): 12000, ('gpu', False): 6000}


class Machine(NamedTuple):
    """What there is to compute with: GPUs, gigabytes of memory of one of them (or of the computer), and CPU cores."""

    gpus: int
    memory: float
    cores: int

    @property
    def processes(self) -> int:
        """Number of processes to train in: one for each GPU, or two on a CPU."""
        return self.gpus or min(2, self.cores)


def this_machine() -> Machine:
    """Those of the machine that this process runs on, and may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    if torch.cuda.is_available():
        memory = min(torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count()))
        return Machine(torch.cuda.device_count(), memory / 2**30, cores)
    pages = os.sysconf('SC_AVPHYS_PAGES') if 'SC_AVPHYS_PAGES' in os.sysconf_names else os.sysconf('SC_PHYS_PAGES')
    return Machine(0, pages * os.sysconf('SC_PAGE_SIZE') / 2**30, cores)


class Plan(NamedTuple):
    """How to train; ``batch_size`` and ``workers`` are those of one process."""

    frames: int
    epochs: int
    batch_size: int
    lr: float
    workers: int


def derive_frames(machine: Machine, median_frames: float) -> int:
    """16 on a GPU with 16 GB or more for videos of 32 frames or more, otherwise 8."""
    return 16 if machine.gpus and machine.memory >= 16 and median_frames >= 32 else 8


def derive_plan(
    machine: Machine, num_videos: int, model: str, from_scratch: bool, frames: int, given: Mapping[str, Any]
) -> Plan:
    """Derive how to train.

    The batch fills 60 % of the memory at most and a quarter of the videos, so that an epoch has four steps or more;
    epochs are as many as show a fixed number of clips, from 10 to 60; the learning rate grows with the root of the
    batch size.

    Args:
        machine: What to train on.
        num_videos: Number of videos to train on.
        model: 'r50' or 'r18'.
        from_scratch: Whether all weights are random.
        frames: Number of frames of a clip.
        given: What the user has chosen: values that are not None replace the derived ones.

    Raises:
        ValueError: If a chosen value is too small, or the batch is larger than half of the videos.
    """
    for name, value in given.items():
        if value is not None and value <= 0:
            raise ValueError(f'--{name.replace("_", "-")} {value} must be above 0')
    processes = machine.processes
    memory, lr = COSTS[model]
    most = 16 if machine.gpus else 8 if model == 'r18' else 2
    fitting = int(0.6 * machine.memory / (1 if machine.gpus else processes) / (memory * frames))
    batch = given.get('batch_size') or max(1, min(most, fitting, num_videos // (4 * processes)))
    if batch * processes > max(num_videos // 2, 1):
        raise ValueError(
            f'--batch-size {batch} in {processes} processes is more than half of the {num_videos} videos to train on'
        )
    seen = CLIPS_SEEN['gpu' if machine.gpus else 'cpu', from_scratch]
    return Plan(
        frames=frames,
        epochs=given.get('epochs') or min(max(round(seen / num_videos), 10), 60),
        batch_size=batch,
        lr=given.get('lr') or float(f'{lr * (batch * processes / 16) ** 0.5:.2g}'),
        workers=given.get('workers') or max(1, min(8, machine.cores // processes - 1)),
    )
