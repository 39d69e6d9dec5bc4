"""Predictions that contain the regions of the nodes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from dyreg_mmaction.ops import Regions

from .finding import region_plugins
from .listening import listen
from .recording import record_regions
from .unwrap import unwrap


@contextmanager
def attach_regions(model: nn.Module) -> Iterator[None]:
    """Add the regions to every data sample that the recognizer predicts in this thread inside the context.

    .. code:: python

        with attach_regions(model):
            sample = inference_recognizer(model, 'video.mp4')
        sample.regions['layer3.4.conv2.conv'].center  # (views, T, N, 2), in 0..1 of the crop, on the CPU
        sample.kernels['layer3.4.conv2.conv']  # 'tent': the kernel of the plugin

    Args:
        model (nn.Module): A recognizer, or its wrapper for distributed training.

    Raises:
        ValueError: If the model has no plugin with regions.
    """
    kernels = {path: getattr(plugin, 'kernel', 'tent') for path, plugin in region_plugins(model).items()}
    with record_regions(model) as record:

        def attach(_, __, output) -> None:
            if isinstance(output, list):  # data samples, not losses or features
                _attach(record, output)
                for sample in output:
                    sample.set_field(dict(kernels), 'kernels')
            for forwards in record.values():
                forwards.clear()

        hook = listen(unwrap(model), attach)
        try:
            yield
        finally:
            hook.remove()


def _attach(record: dict[str, list[Regions]], samples: list) -> None:
    regions = {path: _split(forwards, len(samples)) for path, forwards in record.items() if forwards}
    for i, sample in enumerate(samples):
        sample.set_field({path: clips[i] for path, clips in regions.items()}, 'regions')


def _split(forwards: list[Regions], num_samples: int) -> list[Regions]:
    """Split regions by sample. The views of a sample are consecutive, in one forward or several."""
    unit = [regions.normalized() for regions in forwards]
    centers, half_sizes = (
        torch.cat([getattr(regions, name).detach() for regions in unit]).float().cpu().chunk(num_samples)
        for name in ('center', 'half_size')
    )
    return [Regions(center, half_size, (1, 1)) for center, half_size in zip(centers, half_sizes, strict=True)]
