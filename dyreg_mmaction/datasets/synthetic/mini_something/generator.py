"""Writing `MiniSomething` to disk in the folder layout and the formats of Something-Something V2."""

import json
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...parallel import map_in_processes
from ...something.lists import V2, prepare, write_text
from ...video.writers import write_video
from .drawing import Sprite, draw, sample_background, sample_sprites
from .scenes import CLASSES, HEIGHT, ActionClass, Scene, Track, move, sample_camera, sample_scene, seen_by

VERSION = 1  # increase it with any change of the clips that a seed generates
FPS = 12
FIRST_IDS = {'train': 1, 'validation': 100_001}
MAX_CAMERA = {'pan': 32, 'shake': 5}  # pixels; every object stays partly visible


class Clip(NamedTuple):
    """Identifies a clip. It is a function of these values; all but the camera path depend on the first three only."""

    seed: int
    split: str
    number: int
    pan: float = 0.0
    shake: float = 0.0

    @property
    def id(self) -> str:
        """Id of the video, a number as in Something-Something."""
        return str(FIRST_IDS[self.split] + self.number)

    @property
    def action(self) -> ActionClass:
        """Class of the clip; all classes are equally frequent."""
        return CLASSES[self.number % len(CLASSES)]

    def scene(self) -> tuple[Scene, list[Sprite], np.random.Generator]:
        """Sample the scene and the appearance of its objects; the generator is returned for further samples."""
        rng = np.random.default_rng(self._key())
        return sample_scene(rng), sample_sprites(rng), rng

    def camera(self, num_frames: int) -> np.ndarray:
        """Sample the camera path with a separate generator, so that the rest of the clip does not depend on it."""
        return sample_camera(np.random.default_rng([*self._key(), 1]), num_frames, self.pan, self.shake)

    def _key(self) -> list[int]:
        return [self.seed, FIRST_IDS[self.split], self.number]


def generate_mini_something(
    root: str | Path,
    num_train: int = 480,
    num_val: int = 160,
    seed: int = 0,
    workers: int = 1,
    pan: float = 0.0,
    shake: float = 0.0,
) -> None:
    """Write `MiniSomething`, or complete an interrupted run.

    The folder contains videos/<id>.webm (240 pixels high, 12 frames per second), labels/{labels,train,validation}.json
    in the format of Something-Something V2, MMAction2's lists of these, and bounding_box_annotations.json in the format
    of Something-Else. A clip depends only on the seed, its split and its number.

    Args:
        root: The folder.
        num_train: Number of training clips.
        num_val: Number of validation clips.
        seed: Seed of the dataset.
        workers: Number of processes.
        pan: Camera motion from the middle frame to the last one, in pixels; see :func:`sample_camera`.
        shake: Standard deviation of the camera offset of each frame, in pixels.

    Raises:
        ValueError: If a number is out of range, or the folder contains other files.
    """
    root = Path(root)
    sizes: dict[str, int] = {'train': num_train, 'validation': num_val}
    for split, size in sizes.items():
        if not 1 <= size <= 100_000:
            raise ValueError(f'the number of {split} clips is {size}, but must be 1 to 100000')
    if seed < 0:
        raise ValueError(f'seed is {seed}, but must be at least 0')
    camera = {'pan': pan, 'shake': shake}
    for name, pixels in camera.items():
        if not 0 <= pixels <= MAX_CAMERA[name]:
            raise ValueError(f'{name} is {pixels}, but must be 0 to {MAX_CAMERA[name]} pixels')
    moves = camera if any(camera.values()) else {}  # without camera motion the settings are those of earlier releases
    settings: dict[str, float] = {'version': VERSION, 'seed': seed, **sizes}
    _claim(root, settings | moves)
    clips = [Clip(seed, split, number, **camera) for split, size in sizes.items() for number in range(size)]
    annotations = list(map_in_processes(partial(write_clip, root / 'videos'), clips, workers, 'Writing videos'))
    _write_labels(root / 'labels', clips, annotations)
    boxes = {clip.id: frames for clip, frames in zip(clips, annotations, strict=True)}
    write_text(root / 'bounding_box_annotations.json', json.dumps(boxes))
    prepare(V2, root, fast=True)


def _claim(root: Path, settings: dict[str, float]) -> None:
    """Create the folder with the settings, or check that an existing folder has the same settings."""
    mark = root / 'mini_something.json'
    if mark.is_file():
        present = json.loads(mark.read_text(encoding='utf-8'))
        if present != settings:
            raise ValueError(
                f'{root} contains a MiniSomething of {present}, but {settings} is requested; choose another folder'
            )
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ValueError(f'{root} exists and contains other files than MiniSomething; choose another folder')
    root.mkdir(parents=True, exist_ok=True)
    write_text(mark, json.dumps(settings))
    for folder in ('videos', 'labels'):
        (root / folder).mkdir(exist_ok=True)


def write_clip(folder: Path, clip: Clip) -> list[dict]:
    """Write the video of a clip to a folder if it does not exist, and return its boxes."""
    scene, sprites, rng = clip.scene()
    track = move(scene, clip.action)
    camera = clip.camera(scene.num_frames)
    track = seen_by(camera, track)
    path = folder / f'{clip.id}.webm'
    if not path.exists():
        background = sample_background(rng, scene.width, margin=int(np.abs(camera).max()))
        write_video(path, draw(background, sprites, track, camera), FPS)
    return _boxes(clip, sprites, track, scene.width)


def _boxes(clip: Clip, sprites: list[Sprite], track: Track, width: int) -> list[dict]:
    """Return a clip's frames in the format of Something-Else: all objects have boxes, acting ones are placeholders."""
    frame = np.array([width, HEIGHT])
    half_sides = track.half_size[..., None] * [sprite.extent for sprite in sprites]  # (T, N, 2)
    corners = [(track.center + side * half_sides).clip(0, frame) for side in (-1, 1)]
    boxes = np.concatenate(corners, axis=-1).round(2)  # (T, N, 4)
    return [
        {
            'name': f'{clip.id}/{count:04}.jpg',
            'gt_placeholders': _placeholders(clip, sprites),
            'nr_instances': len(sprites),
            'labels': [
                {
                    'box2d': dict(zip(('x1', 'y1', 'x2', 'y2'), box, strict=True)),
                    'category': sprite.name,
                    'standard_category': f'{position:04}',
                    'gt_annotation': f'object {position}',
                }
                for position, (sprite, box) in enumerate(zip(sprites, frame, strict=True))
            ],
        }
        for count, frame in enumerate(boxes.tolist(), start=1)
    ]


def _placeholders(clip: Clip, sprites: list[Sprite]) -> list[str]:
    return [sprite.name for sprite in sprites[: clip.action.num_acting]]


def _write_labels(folder: Path, clips: list[Clip], annotations: list[list[dict]]) -> None:
    """Write the label files, each video with its template and the names of its placeholders."""
    videos: dict[str, list[dict]] = {split: [] for split in FIRST_IDS}
    for clip, frames in zip(clips, annotations, strict=True):
        placeholders = frames[0]['gt_placeholders']
        label = clip.action.template
        for name in placeholders:
            label = label.replace('[something]', name, 1)
        template = clip.action.template
        videos[clip.split].append({'id': clip.id, 'label': label, 'template': template, 'placeholders': placeholders})
    for split, entries in videos.items():
        write_text(folder / f'{split}.json', json.dumps(entries, indent=1))
    write_text(folder / 'labels.json', json.dumps({c.label: str(i) for i, c in enumerate(CLASSES)}, indent=1))
