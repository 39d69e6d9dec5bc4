"""Recognizers that report the clip length to 2D backbones, whose input flattens all clips into the batch axis."""

from contextlib import ExitStack

from torch import Tensor

from .forwards import Batch, running

PACKED = ('num_clips', 'clip_len')
PACKING = f'set meta_keys={PACKED} of PackActionInputs in the val and test pipelines'


class TakesFrames:
    """Mixin before a Recognizer2D that reports the clip length to a backbone or neck with ``num_segments='batch'``.

    In training a video is one clip. In testing it may be several clips or crops, so the clip length is taken from
    ``num_clips`` and ``clip_len`` of the data samples, which ``PackActionInputs`` adds with ``meta_keys``.
    """

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor', **kwargs):
        """Run the recognizer's forward, see :class:`mmaction.models.BaseRecognizer`.

        Raises:
            ValueError: If a data sample to be tested does not provide the clip length.
        """
        backbone = self.backbone  # type: ignore[attr-defined]
        modules: tuple = (backbone, getattr(backbone, 'features', None), getattr(self, 'neck', None))
        receivers = [module for module in modules if getattr(module, 'num_segments', 0) is None]
        if not receivers:
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]
        frames = _clip_length(data_samples or []) if mode == 'predict' else inputs.shape[1]
        with ExitStack() as stack:
            for module in receivers:
                stack.enter_context(running(Batch(module, frames)))
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]


def _clip_length(data_samples: list) -> int:
    lengths = {frames_of_clip({key: sample.get(key) for key in PACKED}) for sample in data_samples}
    length = lengths.pop() if len(lengths) == 1 else None
    if length is None:
        raise ValueError(f"with num_segments='batch' data samples must provide their clip length; {PACKING}")
    return length


def frames_of_clip(sampling: dict) -> int | None:
    """Return the clip length of a 2D recognizer, for one clip or for several clips of one frame."""
    num_clips, clip_len = (sampling.get(key) for key in PACKED)
    return num_clips if clip_len == 1 else clip_len
