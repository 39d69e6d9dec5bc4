"""Drawing the scenes of `MiniSomething`: light textured objects over a dark textured background.

Objects are lighter than the background, so the sign of their edges indicates the direction of motion. With random
colors a network needs many times more clips to learn the motion.
"""

from typing import NamedTuple

import cv2
import numpy as np

from .scenes import HEIGHT, NUM_OBJECTS, Track

TEXTURES = ('speckled', 'striped', 'checked')
SHAPES = ('disc', 'box', 'polygon')
SPRITE_SIZE = 128  # side in pixels of the images that objects are scaled from


class Sprite(NamedTuple):
    """Appearance of an object: name, RGBA image (S, S, 4) and the box size (x, y) as a fraction of the image size."""

    name: str
    image: np.ndarray
    extent: np.ndarray


def sample_sprites(rng: np.random.Generator) -> list[Sprite]:
    """Sample the appearance of a scene's objects, each with a different name."""
    names = rng.choice([(texture, shape) for texture in TEXTURES for shape in SHAPES], NUM_OBJECTS, replace=False)
    return [_sample_sprite(rng, str(texture), str(shape)) for texture, shape in names]


def _sample_sprite(rng: np.random.Generator, texture: str, shape: str) -> Sprite:
    colors = rng.uniform(140, 255, (2, 3))
    pattern = _pattern(rng, texture, SPRITE_SIZE, SPRITE_SIZE, cell=rng.uniform(25, 45))
    outline = _outline(rng, shape)
    alpha = np.zeros((SPRITE_SIZE, SPRITE_SIZE, 1), np.uint8)
    corners = (outline + 1) * SPRITE_SIZE / 2 - 0.5  # pixel centers lie at whole numbers
    cv2.fillPoly(alpha, [np.round(corners * 256).astype(np.int32)], 255, cv2.LINE_AA, shift=8)
    image = np.concatenate([_blend(colors[0], colors[1], pattern), alpha], axis=-1)
    return Sprite(f'{texture} {shape}', image, np.abs(outline).max(axis=0))


def sample_background(rng: np.random.Generator, width: int, margin: int = 0) -> np.ndarray:
    """Sample a dark texture of low contrast, (H, W, 3) uint8, ``margin`` pixels larger than a frame on each side."""
    color = rng.uniform(25, 85, 3)
    contrast = rng.uniform(-20, 20, 3)
    size = HEIGHT + 2 * margin, width + 2 * margin
    pattern = _pattern(rng, str(rng.choice(TEXTURES)), *size, cell=rng.uniform(30, 60))
    return _blend(color - contrast, color + contrast, pattern)


def _blend(first: np.ndarray, second: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Interpolate between two colors by a pattern in -1..1: an image (H, W, 3) uint8."""
    fraction = (pattern[..., None] + 1) / 2
    return (first + fraction * (second - first)).round().astype(np.uint8)


def _pattern(rng: np.random.Generator, texture: str, height: int, width: int, cell: float) -> np.ndarray:
    """Sample a pattern in -1..1 of shape (height, width) with features of about `cell` pixels."""
    if texture == 'speckled':
        grid = rng.uniform(-2, 2, (int(3 * height / cell) + 2, int(3 * width / cell) + 2))
        return np.clip(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), -1, 1)
    angle = rng.uniform(0, np.pi)
    phase = rng.uniform(0, 2 * np.pi, 2)
    y, x = np.pi / cell * np.mgrid[:height, :width]
    waves = np.sin(np.cos(angle) * x + np.sin(angle) * y + phase[0])
    if texture == 'checked':
        waves *= np.sin(np.cos(angle) * y - np.sin(angle) * x + phase[1])
    return np.tanh(4 * waves)


def _outline(rng: np.random.Generator, shape: str) -> np.ndarray:
    """Sample a closed outline (M, 2) whose box is centered at the origin and has a longer side of 2."""
    if shape == 'polygon':
        num_corners = int(rng.integers(3, 8))
        turns = (np.arange(num_corners) + rng.uniform(-0.2, 0.2, num_corners)) / num_corners + rng.random()
        outline = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=-1)
    else:
        angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        power = 1.0 if shape == 'disc' else 0.35  # a superellipse: the smaller, the squarer
        outline = np.sign(circle) * np.abs(circle) ** power * rng.uniform(0.7, 1, 2)
    outline -= (outline.min(axis=0) + outline.max(axis=0)) / 2
    return outline / np.abs(outline).max()


def draw(background: np.ndarray, sprites: list[Sprite], track: Track, camera: np.ndarray | None = None) -> np.ndarray:
    """Draw the objects over the background, in order, so that later ones occlude earlier ones.

    Args:
        background: uint8 image with a margin on each side for the camera motion.
        sprites: N objects.
        track: Centers (T, N, 2) and half sizes (T, N) of the objects, in pixels of the frames.
        camera: Camera offsets (T, 2) as (x, y), in whole pixels; None: the camera does not move.

    Returns:
        RGB frames (T, H, W, 3) uint8.
    """
    margin = (len(background) - HEIGHT) // 2
    width = background.shape[1] - 2 * margin
    corners = np.full((len(track.center), 2), margin) + (0 if camera is None else camera)
    frames = np.stack([background[y : y + HEIGHT, x : x + width] for x, y in corners])
    for frame, centers, half_sizes in zip(frames, track.center, track.half_size, strict=True):
        for sprite, center, half_size in zip(sprites, centers, half_sizes, strict=True):
            _paint(frame, sprite.image, center, half_size)
    return frames


def _paint(frame: np.ndarray, image: np.ndarray, center: np.ndarray, half_size: float) -> None:
    """Blend an RGBA image, scaled to 2 * half_size pixels, into the frame around the center."""
    low = np.floor(center - half_size).astype(int).clip(0)
    high = np.ceil(center + half_size).astype(int).clip(None, frame.shape[1::-1])
    scale = 2 * half_size / SPRITE_SIZE
    shift = center - half_size - low + (scale - 1) / 2  # between pixel centers
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    patch = cv2.warpAffine(image, matrix, tuple((high - low).tolist())).astype(np.float32)
    region = frame[low[1] : high[1], low[0] : high[0]]
    region[:] = (region + patch[..., 3:] / 255 * (patch[..., :3] - region)).round()
