"""Recognizers that report the frames of a clip to 2D backbones, whose input flattens all clips into the batch axis."""

from contextlib import ExitStack

from torch import Tensor

from .forwards import Batch, running

PACKED = ('num_clips', 'clip_len')
PACKING = f'give PackActionInputs of the val and test pipelines meta_keys={PACKED}'


class TakesFrames:
    """Mixin in front of a Recognizer2D: tells backbone and neck with ``num_segments='batch'`` the frames of the clips.

    In training a video is one clip. At test time it may be several, of different crops: there the data samples tell,
    whose ``num_clips`` and ``clip_len`` ``PackActionInputs`` packs on request.
    """

    def forward(self, inputs: Tensor, data_samples: list | None = None, mode: str = 'tensor', **kwargs):
        """The recogniser's forward, see :class:`mmaction.models.BaseRecognizer`.

        Raises:
            ValueError: If a data sample to be tested does not tell.
        """
        parts: tuple = (self.backbone, getattr(self, 'neck', None))  # type: ignore[attr-defined]
        asking = [part for part in parts if getattr(part, 'num_segments', 0) is None]
        if not asking:
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]
        frames = _told(data_samples or []) if mode == 'predict' else inputs.shape[1]
        with ExitStack() as stack:
            for part in asking:
                stack.enter_context(running(Batch(part, frames)))
            return super().forward(inputs, data_samples, mode, **kwargs)  # type: ignore[misc]


def _told(data_samples: list) -> int:
    told = {frames_of_clip({key: sample.get(key) for key in PACKED}) for sample in data_samples}
    frames = told.pop() if len(told) == 1 else None
    if frames is None:
        raise ValueError(f"with num_segments='batch' data samples must tell the frames of their clips; {PACKING}")
    return frames


def frames_of_clip(sampling: dict) -> int | None:
    """Frames of a clip of a 2D recogniser, whether it is sampled as one clip or as clips of one frame."""
    num_clips, clip_len = (sampling.get(key) for key in PACKED)
    return num_clips if clip_len == 1 else clip_len
