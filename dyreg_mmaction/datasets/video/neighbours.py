"""Of each sampled frame also the one beside it in the video: what moves has moved little from one to the other."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from dyreg_mmaction.registry import TRANSFORMS

TIME = {4: 0, 5: 2}  # axis of the frames in (T, C, H, W) and in (clips, C, T, H, W)


@TRANSFORMS.register_module()
class WithNeighbours(BaseTransform):
    """Decoding and all that follows it, for the sampled frames and for their neighbours in the video alike.

    It stands behind ``SampleFrames`` and adds ``neighbours``, in the layout of ``imgs``, for
    ``MotionLikelihood(neighbours=True)``; PackActionInputs needs ``algorithm_keys=('neighbours',)``. The neighbour is
    the frame ``step`` later, at the end of the video the one ``step`` earlier. Crops and flips are drawn once for both.

    Args:
        transforms (Sequence[dict]): From the decoding on, ``FormatShape`` last.
        step (int): Frames of the video from a sampled one to its neighbour.

    Raises:
        ValueError: If ``step`` is no whole number above 0 or ``FormatShape`` not the last; by the call, if frames are
            not still to be decoded.
    """

    def __init__(self, transforms: Sequence[dict], step: int = 1) -> None:
        if not isinstance(step, int) or step < 1:
            raise ValueError(f'step={step!r} of WithNeighbours must be a whole number of frames, at least 1')
        kinds = [str(transform['type']).rpartition('.')[2] for transform in transforms]
        if kinds[-1:] != ['FormatShape']:
            raise ValueError(f'WithNeighbours needs transforms from the decoding to FormatShape, not {kinds}')
        self.transforms = Compose([TRANSFORMS.build(transform) for transform in transforms])
        self.step = step

    def transform(self, results: dict) -> dict | None:
        """Run the transforms on twice the frames; part them."""
        if 'imgs' in results or 'frame_inds' not in results:
            raise ValueError(
                'WithNeighbours knows no neighbours of frames that the dataset gives itself, or that are decoded '
                'already; it must stand behind SampleFrames, around the decoding and what follows it'
            )
        sampling = {key: results[key] for key in ('frame_inds', 'num_clips', 'clip_len')}
        of_clip = 'clip_len' if results['clip_len'] > 1 else 'num_clips'
        results = dict(results, frame_inds=self._with_neighbours(results), **{of_clip: 2 * results[of_clip]})
        if (transformed := self.transforms(results)) is None:
            return None
        results = transformed
        for key in {'boxes', 'objects'} & results.keys():  # (clips, T, K, 4)
            results[key] = results[key][:, ::2]
        imgs = results['imgs']
        time = (slice(None),) * TIME[imgs.ndim]
        imgs, neighbours = (np.ascontiguousarray(imgs[time + (slice(start, None, 2),)]) for start in (0, 1))
        return dict(results, **sampling, imgs=imgs, neighbours=neighbours, input_shape=imgs.shape)

    def _with_neighbours(self, results: dict) -> np.ndarray:
        """Numbers of the frames, each followed by that of its neighbour."""
        frames, first = results['frame_inds'].reshape(-1), results.get('start_index', 0)
        after, before = frames + self.step, np.maximum(frames - self.step, first)
        beside = np.where(after < first + results['total_frames'], after, before)
        return np.stack((frames, beside), axis=1).reshape(-1)
