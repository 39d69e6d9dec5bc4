"""Loading of the adjacent video frame of each sampled frame, for motion over a short time."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import Compose

from dyreg_mmaction.registry import TRANSFORMS

TIME = {4: 0, 5: 2}  # axis of the frames in (T, C, H, W) and in (clips, C, T, H, W)


@TRANSFORMS.register_module()
class WithNeighbours(BaseTransform):
    """Apply decoding and all later transforms to the sampled frames and to their neighbours in the video.

    Place it after ``SampleFrames``. It adds ``neighbours``, in the layout of ``imgs``, for
    ``MotionLikelihood(neighbours=True)``; set ``algorithm_keys=('neighbours',)`` of PackActionInputs. The neighbour is
    the frame ``step`` frames later, or earlier at the end of the video. Random crops and flips are the same for both.

    Args:
        transforms (Sequence[dict]): Transforms from decoding to ``FormatShape``.
        step (int): Number of video frames between a sampled frame and its neighbour.

    Raises:
        ValueError: If ``step`` is not a positive integer, or ``FormatShape`` is not the last transform; when called, if
            the frames are already decoded.
    """

    def __init__(self, transforms: Sequence[dict], step: int = 1) -> None:
        if not isinstance(step, int) or step < 1:
            raise ValueError(f'step of WithNeighbours is {step!r}, but must be an integer of at least 1')
        kinds = [str(transform['type']).rpartition('.')[2] for transform in transforms]
        if kinds[-1:] != ['FormatShape']:
            raise ValueError(
                f'the transforms of WithNeighbours are {kinds}, but must be those from decoding to FormatShape'
            )
        self.transforms = Compose([TRANSFORMS.build(transform) for transform in transforms])
        self.step = step

    def transform(self, results: dict) -> dict | None:
        """Run the transforms on frames and neighbours together, then separate them."""
        if 'imgs' in results or 'frame_inds' not in results:
            raise ValueError(
                'WithNeighbours got decoded frames, but needs frame numbers; place it after SampleFrames and put '
                'decoding and all later transforms into it'
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
        """Return the frame numbers, each followed by that of its neighbour."""
        frames, first = results['frame_inds'].reshape(-1), results.get('start_index', 0)
        after, before = frames + self.step, np.maximum(frames - self.step, first)
        neighbours = np.where(after < first + results['total_frames'], after, before)
        return np.stack((frames, neighbours), axis=1).reshape(-1)
