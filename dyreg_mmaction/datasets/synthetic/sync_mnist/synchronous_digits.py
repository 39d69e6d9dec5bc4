"""Base class of SyncMNIST and MultiSyncMNIST: clips of digits on random walks, some of them in sync."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset, force_full_init

from .digits import DIGIT_SIZE, SPLITS, load_digits
from .walks import INTERPOLATIONS, OVERLAPS, draw, random_walk, shrink, straight_walk

WALKS = dict(random=random_walk, straight=straight_walk)
LENGTHS = dict(train=600_000, test=10_000)
NO_PAIR = 45


def pair_label(first: int, second: int) -> int:
    """Return the label of two digits: i(i-1)/2 + j for classes i > j (0..44), 46 + i for two of class i (46..55)."""
    low, high = sorted((int(first), int(second)))
    return 46 + high if low == high else high * (high - 1) // 2 + low


class SynchronousDigits(BaseDataset):
    """Clips of digits on random walks, some of them in sync, generated on demand.

    A sample is a function of seed, split and index. It enters the pipeline as a dict with ``imgs`` ``(T, H, W, 1)``
    uint8, ``label``, ``gt_bboxes`` ``(T, D, 4)`` float32 as (x1, y1, x2, y2) in frame pixels, ``digits`` ``(D,)`` (the
    classes of the digits), ``gt_labels`` ``(T, D)`` (the same per frame), ``synchronous`` ``(D,)`` bool, and the keys
    that MMAction2's transforms require. The digits are in random order.

    Args:
        split: ``'train'`` or ``'test'``, which share neither digit images nor random numbers.
        num_digits: Number of digits per clip, 2 to 10.
        length: Number of clips. Defaults to 600,000 for training and 10,000 for testing.
        seed: Seed of the dataset.
        data_root: Folder with MNIST's IDX files, plain or ``.gz``. Defaults to the digits of scikit-learn.
        digit_classes: Classes of the digits; fewer classes make the task easier. Labels do not change.
        pipeline: Transforms, for example ``FormatShape`` and ``PackActionInputs``.
        canvas_size: Side of the square canvas on which the 28 x 28 digits move, in pixels.
        frame_size: Side of the frames, to which the canvas is resized, in pixels.
        none_prob: Probability that no digits are synchronous.
        max_sync_dist: Largest distance on either axis between synchronous digits, in canvas pixels; None: no limit.
        interpolation: Resizing of the canvas, ``'area'`` or ``'bilinear'``, see :func:`.walks.shrink`.
        num_frames: Clip length.
        walk: ``'random'``: a random step in each frame; ``'straight'``: ``max_step`` in one of four directions, which
            is easier. Two digits in sync have the same direction, others different ones.
        max_step: Steps on each axis are integers in [-max_step, max_step), in canvas pixels.
        overlap: Which digit is visible where digits overlap, ``'front'`` or ``'max'``, see :func:`.walks.draw`.
        **kwargs: Passed to :class:`mmengine.dataset.BaseDataset`.

    Raises:
        ValueError: If an argument is out of range or a file of digits is damaged.
        FileNotFoundError: If ``data_root`` does not contain MNIST's files.
    """

    def __init__(
        self,
        split: str = 'train',
        num_digits: int = 5,
        length: int | None = None,
        seed: int = 0,
        data_root: str | None = None,
        pipeline: Sequence = (),
        *,
        digit_classes: Sequence[int] = range(10),
        canvas_size: int,
        frame_size: int,
        none_prob: float,
        max_sync_dist: int | None,
        interpolation: str,
        num_frames: int = 10,
        max_step: int = 10,
        overlap: str = 'front',
        walk: str = 'random',
        **kwargs: Any,
    ) -> None:
        _check_choice('split', split, SPLITS)
        _check_choice('interpolation', interpolation, INTERPOLATIONS)
        _check_choice('overlap', overlap, OVERLAPS)
        _check_choice('walk', walk, tuple(WALKS))
        length = LENGTHS[split] if length is None else length
        max_sync_dist = canvas_size if max_sync_dist is None else max_sync_dist
        _check_classes(digit_classes)
        _check_number('num_digits', num_digits, 2, 10)
        _check_number('length', length, 1)
        _check_number('seed', seed, 0)
        _check_number('canvas_size', canvas_size, DIGIT_SIZE + 1)
        _check_number('frame_size', frame_size, 1, canvas_size)
        _check_number('none_prob', none_prob, 0, 1, Real)
        _check_number('max_sync_dist', max_sync_dist, 0)
        _check_number('num_frames', num_frames, 1)
        _check_number('max_step', max_step, 1)
        self.digit_classes = np.sort(np.asarray(digit_classes))
        self.split, self.num_digits, self.length, self.seed = split, num_digits, length, seed
        self.canvas_size, self.frame_size, self.num_frames = canvas_size, frame_size, num_frames
        self.max_position = canvas_size - DIGIT_SIZE - 1  # one less than possible, as in the released generator
        self.none_prob, self.max_step = none_prob, max_step
        self.max_sync_dist = min(max_sync_dist, self.max_position)
        self.interpolation, self.overlap, self.walk = interpolation, overlap, walk
        if walk == 'straight' and (num_digits > 4 or max_step * (num_frames - 1) > self.max_position):
            raise ValueError(
                f"walk='straight' has {num_digits} digits that move by {max_step * (num_frames - 1)} pixels, but can "
                f'have 4 digits, for 4 directions, that move by {self.max_position}; decrease num_digits or max_step'
            )
        super().__init__(data_root=data_root, serialize_data=False, pipeline=list(pipeline), **kwargs)

    @staticmethod
    def own_objects(settings: dict) -> dict:
        """Return the config of LoadObjects, which uses the boxes of the samples."""
        return dict(type='LoadObjects')

    def load_data_list(self) -> range:
        """Load the digits and return the indices of the clips."""
        self.images = load_digits(self.split, self.data_root, self.digit_classes)
        return range(self.length)

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Generate a clip as input of the pipeline."""
        index = int(self.data_list[idx])
        rng = np.random.Generator(np.random.PCG64([self.seed, SPLITS.index(self.split), index]))
        chosen = self._choose_images(rng, index)
        synchronous = self._choose_synchronous(rng)
        start = self._choose_start(rng, synchronous)
        uniforms = rng.random((self.num_frames, self.num_digits, 2))
        positions = WALKS[self.walk](start, synchronous, uniforms, self.max_position, self.max_step)
        canvas = draw(self.images.pixels[chosen], positions, self.canvas_size, self.overlap)
        order = rng.permutation(self.num_digits)  # the order of the boxes must not reveal the order of drawing
        return dict(
            self._annotate(self.images.classes[chosen[order]], synchronous[order], positions[:, order]),
            imgs=shrink(canvas, self.frame_size, self.interpolation)[..., None],
            video_id=f'{self.split}/{index}',
            sample_idx=index,
        )

    def _choose_images(self, rng: np.random.Generator, index: int) -> np.ndarray:
        """Return ``(D,)`` indices of digit images in drawing order."""
        raise NotImplementedError

    def _choose_synchronous(self, rng: np.random.Generator) -> np.ndarray:
        """Return which digits are synchronous, ``(D,)`` bool, in drawing order."""
        raise NotImplementedError

    def _choose_start(self, rng: np.random.Generator, synchronous: np.ndarray) -> np.ndarray:
        """Return random positions ``(D, 2)``; those of synchronous digits are within a random window."""
        width = np.where(synchronous, self.max_sync_dist, self.max_position)[:, None]
        window = np.floor(rng.random(2) * (self.max_position - width + 1))
        return window + np.floor(rng.random((self.num_digits, 2)) * (width + 1))

    def _annotate(self, digits: np.ndarray, synchronous: np.ndarray, positions: np.ndarray) -> dict:
        in_sync = digits[synchronous]
        boxes = np.concatenate([positions, positions + DIGIT_SIZE], axis=-1)  # (T, D, 4)
        shape = (self.frame_size, self.frame_size)
        return dict(
            label=pair_label(in_sync.min(), in_sync.max()) if in_sync.size else NO_PAIR,
            gt_bboxes=(boxes * (self.frame_size / self.canvas_size)).astype(np.float32),
            gt_labels=np.tile(
                digits, (self.num_frames, 1)
            ),  # PackActionInputs requires one row per frame, like the boxes
            digits=digits,
            synchronous=synchronous,
            acting=synchronous,
            original_shape=shape,
            img_shape=shape,
            modality='RGB',  # in MMAction2: anything but optical flow
            num_clips=1,
            clip_len=self.num_frames,
            total_frames=self.num_frames,
        )


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f'{name} is {value!r}, but must be one of {", ".join(map(repr, choices))}')


def _check_classes(classes: Sequence[int]) -> None:
    whole = isinstance(classes, Sequence) and all(isinstance(digit, Integral) for digit in classes)
    if not whole or not classes or len(set(classes)) < len(classes) or not set(classes) <= set(range(10)):
        raise ValueError(f'digit_classes is {classes!r}, but must be distinct classes from 0 to 9')


def _check_number(name: str, value: Any, low: int, high: float = float('inf'), kind: type[Any] = Integral) -> None:
    if not isinstance(value, kind) or not low <= value <= high:
        what = 'an integer' if kind is Integral else 'a number'
        raise ValueError(
            f'{name} is {value!r}, but must be {what} of at least {low}'
            + (f' and at most {high}' if high < float('inf') else '')
        )
