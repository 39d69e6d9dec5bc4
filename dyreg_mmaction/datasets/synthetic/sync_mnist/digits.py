"""Images of handwritten digits: MNIST's IDX files, or the digits that scikit-learn includes."""

import functools
import gzip
import logging
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from mmengine.logging import print_log

DIGIT_SIZE = 28
SPLITS = ('train', 'test')

_MNIST_PREFIX = dict(train='train', test='t10k')
_SKLEARN_TRAIN_FRACTION = 0.8


class DigitImages(NamedTuple):
    """Digit images of one split.

    Attributes:
        pixels: ``(N, 28, 28)`` uint8, white on black.
        classes: ``(N,)`` int64, 0 to 9.
        by_class: ``(N,)`` indices of the images, sorted by class.
        starts: ``(10,)`` where each class starts in ``by_class``.
        sizes: ``(10,)`` number of images of each class.
    """

    pixels: np.ndarray
    classes: np.ndarray
    by_class: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray

    def pick(self, classes: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """Return the index of an image for each class; all images of a class are equally likely.

        Args:
            classes: ``(D,)`` requested classes.
            uniforms: ``(D,)`` random numbers in [0, 1).
        """
        return self.by_class[self.starts[classes] + (uniforms * self.sizes[classes]).astype(np.int64)]


def load_digits(split: str, root: str | None = None, wanted: Sequence[int] | np.ndarray = range(10)) -> DigitImages:
    """Load the digits of a split; the splits share no image.

    Args:
        split: ``'train'`` or ``'test'``.
        root: Folder of MNIST's four IDX files, plain or ``.gz``. None: scikit-learn's 1,797 digits, which need no
            download.
        wanted: Classes to keep.

    Raises:
        FileNotFoundError: If the folder or one of its files does not exist.
        ValueError: If the split is unknown, a file is not an MNIST file, or a class has no image.
        ImportError: If scikit-learn is needed but not installed.
    """
    if split not in SPLITS:
        raise ValueError(f'split is {split!r}, but must be {" or ".join(map(repr, SPLITS))}')
    images, classes = _load_mnist(Path(root), split) if root else _load_sklearn(split)
    sizes = np.bincount(classes, minlength=10)
    if len(sizes) > 10 or not sizes.all():
        raise ValueError(
            f'the labels of split {split!r} in {root} are the classes {np.unique(classes).tolist()}, '
            'but must be all digits from 0 to 9; set data_root to the files of MNIST'
        )
    kept = np.isin(classes, wanted)
    images, classes = images[kept], classes[kept]
    sizes = np.bincount(classes, minlength=10)
    by_class = np.argsort(classes, kind='stable')
    return DigitImages(images, classes, by_class, np.cumsum(sizes) - sizes, sizes)


def read_idx(path: Path, num_dims: int) -> np.ndarray:
    """Read an IDX file of unsigned bytes (the format of MNIST).

    Args:
        path: The file; if it is missing, the same name with ``.gz`` is read.
        num_dims: Expected number of dimensions.

    Raises:
        FileNotFoundError: If neither file exists.
        ValueError: If the file is damaged or of another format.
    """
    data = _read_bytes(path)
    magic = bytes((0, 0, 8, num_dims))
    if data[:4] != magic or len(data) < 4 + 4 * num_dims:
        raise ValueError(
            f'{path} has {len(data)} bytes that start with {data[:4].hex()!r}, but an IDX file of {num_dims} '
            f'dimensions starts with {magic.hex()!r} and their sizes; download it again'
        )
    shape = np.frombuffer(data, '>u4', num_dims, offset=4).astype(int)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * num_dims)
    if values.size != shape.prod():
        raise ValueError(
            f'{path} declares {shape.prod()} bytes but contains {values.size}; it is damaged, download it again'
        )
    return values.reshape(shape)


def _read_bytes(path: Path) -> bytes:
    zipped = path.with_name(path.name + '.gz')
    if path.is_file():
        return path.read_bytes()
    if not zipped.is_file():
        raise FileNotFoundError(
            f'neither {path} nor {zipped.name} exists; set data_root to the folder of the four IDX files of MNIST, '
            "or to None for scikit-learn's digits"
        )
    try:
        return gzip.decompress(zipped.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f'{zipped} is not a valid gzip file ({error}); download it again') from error


def _load_mnist(root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    images = read_idx(root / f'{_MNIST_PREFIX[split]}-images-idx3-ubyte', num_dims=3)
    classes = read_idx(root / f'{_MNIST_PREFIX[split]}-labels-idx1-ubyte', num_dims=1)
    if images.shape != (len(classes), DIGIT_SIZE, DIGIT_SIZE):
        raise ValueError(
            f'the images in {root} have shape {images.shape}, but {len(classes)} labels require '
            f'({len(classes)}, {DIGIT_SIZE}, {DIGIT_SIZE}); download MNIST again'
        )
    return images, classes.astype(np.int64)


def _load_sklearn(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Load scikit-learn's 8 x 8 digits, enlarged to nearly the size of MNIST's: 19 of 28 pixels."""
    try:
        from sklearn.datasets import load_digits as load_sklearn_digits  # optional, and slow to import
    except ImportError as error:
        raise ImportError(
            'scikit-learn, which provides the default digits, is not installed; '
            "run pip install 'dyreg_mmaction[digits]', or set data_root to a folder with MNIST's files"
        ) from error
    _warn_of_sklearn()
    small, classes = load_sklearn_digits(return_X_y=True)
    # The legacy generator's permutations never change
    order = np.random.RandomState(0).permutation(len(classes))
    border = round(_SKLEARN_TRAIN_FRACTION * len(classes))
    order = order[:border] if split == 'train' else order[border:]
    return np.stack([_enlarge(image.reshape(8, 8)) for image in small[order]]), classes[order].astype(np.int64)


@functools.cache
def _warn_of_sklearn() -> None:
    """Warn once per process that accuracies on these digits are not comparable to those of the papers."""
    print_log(
        "The digits are scikit-learn's (1,797 of 8 x 8 pixels), not MNIST's as in the papers; set data_root to the "
        'folder of the four IDX files of MNIST.',
        'current',
        logging.WARNING,
    )


def _enlarge(image: np.ndarray) -> np.ndarray:
    """Convert ``(8, 8)`` of 0..16 to ``(28, 28)`` uint8; with the padding, strokes at the edge fade out."""
    image = cv2.resize(np.pad(image, 2), (DIGIT_SIZE, DIGIT_SIZE), interpolation=cv2.INTER_CUBIC)
    return np.clip(image * (255 / 16), 0, 255).round().astype(np.uint8)
