"""The scenes of `MiniSomething`: the positions of a clip's objects in each frame, and the eight classes.

A scene is sampled independently of the class and defines the middle frame of the clip; the class defines the motion
through it. The middle frames of all classes therefore have the same distribution, and the two classes of a pair are
time reversals of each other: only motion distinguishes the classes, never a single image.
"""

from typing import NamedTuple

import numpy as np

HEIGHT = 240  # pixels, like all lengths below
WIDTHS = (320, 427)
NUM_FRAMES = (25, 27, 29, 31, 33, 35)  # odd: there is a middle frame
NUM_OBJECTS = 3  # per clip; the first one or two are acting objects, the others do not move
HALF_SIZES = (24.0, 32.0)

TRAVEL = 46.0  # distance of a single moving object from the middle frame to the last one
PAIR_TRAVEL = 22.0  # distance of each of two objects that approach or separate
GROWTH = 1.6  # ratio of an object's sizes in the last and the middle frame
MAX_TILT = np.pi / 12  # largest angle of a path to the horizontal or the vertical


class ActionClass(NamedTuple):
    """A class: its template as in Something-Something, its kind of motion and the direction of time."""

    template: str
    motion: str
    direction: int

    @property
    def label(self) -> str:
        """Template without brackets, as in labels.json."""
        return self.template.replace('[', '').replace(']', '')

    @property
    def num_acting(self) -> int:
        """Number of acting objects, that is, of placeholders of the template."""
        return self.template.count('[something]')


CLASSES = (
    ActionClass('Moving [something] from left to right', 'horizontal', 1),
    ActionClass('Moving [something] from right to left', 'horizontal', -1),
    ActionClass('Moving [something] down', 'vertical', 1),
    ActionClass('Moving [something] up', 'vertical', -1),
    ActionClass('Moving [something] towards the camera', 'depth', 1),
    ActionClass('Moving [something] away from the camera', 'depth', -1),
    ActionClass('Moving [something] and [something] away from each other', 'distance', 1),
    ActionClass('Moving [something] and [something] closer to each other', 'distance', -1),
)


class Scene(NamedTuple):
    """A clip's middle frame, in pixels.

    Attributes:
        width: Width of the frames.
        num_frames: Number of frames, odd.
        center: Centers of the objects as (x, y), shape (N, 2).
        half_size: Half the longer side of each object's box, shape (N,).
        tilt: Angle in radians between a straight path and the horizontal or the vertical.
    """

    width: int
    num_frames: int
    center: np.ndarray
    half_size: np.ndarray
    tilt: float


class Track(NamedTuple):
    """Objects in every frame, in pixels: `center` (T, N, 2) as (x, y) and `half_size` (T, N)."""

    center: np.ndarray
    half_size: np.ndarray


def sample_scene(rng: np.random.Generator) -> Scene:
    """Sample a scene in which the motion of any class stays within the frame's central square."""
    width = int(rng.choice(WIDTHS))
    num_frames = int(rng.choice(NUM_FRAMES))
    half_size = rng.uniform(*HALF_SIZES, NUM_OBJECTS)
    tilt = float(rng.uniform(-MAX_TILT, MAX_TILT))
    reach = np.array([HEIGHT / 2] * 2 + [width / 2] * (NUM_OBJECTS - 2)) - half_size
    reach = np.stack([reach, HEIGHT / 2 - half_size], axis=-1)  # (N, 2), on either side of the frame's center
    reach[:2] -= TRAVEL
    apart = half_size[:, None] + half_size  # (N, N)
    apart[0, 1] = apart[1, 0] = apart[0, 1] + 2 * PAIR_TRAVEL
    np.fill_diagonal(apart, 0)
    while True:
        center = np.array([width / 2, HEIGHT / 2]) + rng.uniform(-reach, reach)
        if (np.linalg.norm(center[:, None] - center, axis=-1) >= apart).all():
            return Scene(width, num_frames, center, half_size, tilt)


def move(scene: Scene, action: ActionClass) -> Track:
    """Move the objects as the class defines, such that they are at their scene positions in the middle frame."""
    velocity = np.zeros_like(scene.center)  # pixels per half clip
    growth = np.zeros_like(scene.half_size)  # log size per half clip
    along, across = np.cos(scene.tilt), np.sin(scene.tilt)
    if action.motion == 'horizontal':
        velocity[0] = TRAVEL * along, TRAVEL * across
    elif action.motion == 'vertical':
        velocity[0] = TRAVEL * across, TRAVEL * along
    elif action.motion == 'depth':
        growth[0] = np.log(GROWTH)
    else:
        gap = scene.center[1] - scene.center[0]
        velocity[1] = PAIR_TRAVEL * gap / np.linalg.norm(gap)
        velocity[0] = -velocity[1]
    time = action.direction * np.linspace(-1, 1, scene.num_frames)
    return Track(
        center=scene.center + time[:, None, None] * velocity,
        half_size=scene.half_size * np.exp(time[:, None] * growth),
    )


def sample_camera(rng: np.random.Generator, num_frames: int, pan: float, shake: float) -> np.ndarray:
    """Sample the camera offset in each frame: whole pixels (T, 2) as (x, y).

    The camera is independent of the class. Objects move relative to the background, not to the frame.

    Args:
        rng: Random generator.
        num_frames: Number of frames T.
        pan: Distance from the middle frame to the last one, on a straight path in a random direction, in pixels.
        shake: Standard deviation of the additional offset of each frame, in pixels.
    """
    angle = rng.uniform(0, 2 * np.pi)
    path = np.linspace(-1, 1, num_frames)[:, None] * pan * np.array([np.cos(angle), np.sin(angle)])
    return (path + shake * rng.standard_normal((num_frames, 2)).clip(-3, 3)).round().astype(int)


def seen_by(camera: np.ndarray, track: Track) -> Track:
    """Return the objects in the frames of a moving camera."""
    return track._replace(center=track.center - camera[:, None])
