"""Videos of all kinds, generated with the ffmpeg binary of imageio-ffmpeg."""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

ROTATIONS = (90, 180, 270)  # counterclockwise


def noise_in_motion(num_frames: int = 20, height: int = 48, width: int = 64) -> np.ndarray:
    """Return frames of one color with a square of noise that moves to the right, (T, H, W, 3)."""
    frames = np.full((num_frames, height, width, 3), (40, 90, 160), np.uint8)
    for t, frame in enumerate(frames):
        frame[10:30, t : t + 20] = np.random.default_rng(t).integers(0, 255, (20, 20, 1))
    return frames


def write_codec(
    path: Path, codec: str, frames: np.ndarray, fps: int = 12, times: list[int] | None = None, **options: str
) -> Path:
    """Write a video with any codec, optionally with frame times in 1 / fps."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = 'yuv420p'
        stream.time_base = stream.codec_context.time_base = Fraction(1, fps)
        for number, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format='rgb24')
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def run_ffmpeg(*args: object) -> bytes:
    """Return the standard output of ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), '-y', '-loglevel', 'error', *map(str, args)]
    return subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout


def encode(path: Path, codec: str = 'libx264', *options: object, size: str = '64x48', frames: int = 20) -> Path:
    """Write a moving test image at 10 frames per second."""
    source = f'testsrc2=size=128x128:rate=10:duration={frames / 10},crop={size.replace("x", ":")}:exact=1'
    quiet = ['-x265-params', 'log-level=none'] if codec == 'libx265' else []
    pixels = [] if '-pix_fmt' in options else ['-pix_fmt', 'yuv420p']
    run_ffmpeg('-f', 'lavfi', '-i', source, '-c:v', codec, *quiet, *pixels, *options, path)
    return path


def copy(path: Path, source: Path, before: tuple = (), after: tuple = ()) -> Path:
    """Copy the packets to another container, trimmed or rotated."""
    run_ffmpeg(*before, '-i', source, '-c', 'copy', *after, path)
    return path


def _copied(name: str, before: tuple = (), after: tuple = (), **options: object) -> Callable[[Path], Path]:
    """Write a video with reordered frames and a keyframe every 6 frames."""

    def make(folder: Path) -> Path:
        source = encode(folder / f'source_{name}', 'libx264', '-bf', 2, '-g', 6, **options)
        return copy(folder / name, source, before, after)

    return make


def _encoded(name: str, *args: object, **options: object) -> Callable[[Path], Path]:
    return lambda folder: encode(folder / name, *args, **options)


def _held(name: str, codec: str) -> Callable[[Path], Path]:
    """Write 12 frames of which the last is shown for 5 seconds, as in a screen recording."""
    last = r'setts=duration=if(eq(N\,11)\,50*DURATION\,DURATION)'

    def make(folder: Path) -> Path:
        options = ('-bf', 0) if codec == 'libx264' else ()
        source = encode(folder / f'source_{name}', codec, *options, frames=12)
        return copy(folder / name, source, after=('-bsf:v', last))

    return make


def _two_passes(folder: Path) -> Path:
    """Write VP8 with packets without visible frames."""
    for number in (1, 2):
        options = ('-auto-alt-ref', 1, '-lag-in-frames', 20, '-b:v', '300k', '-deadline', 'good', '-cpu-used', 4)
        passes = ('-pass', number, '-passlogfile', folder / 'log')
        encode(folder / 'hidden.webm', 'libvpx', *options, *passes, frames=60)
    return folder / 'hidden.webm'


def _oriented_vp9(*orientation: object) -> Callable[[Path], Path]:
    return lambda folder: copy(folder / 'a.mkv', encode(folder / 'source.mkv', 'libvpx-vp9'), orientation)


def two_sizes(folder: Path) -> Path:
    """Write a video whose frames are larger from the 11th on. Decoders scale them to the first size."""
    parts = [encode(folder / f'{size}.ts', size=size, frames=10) for size in ('64x48', '96x64')]
    (folder / 'list.txt').write_text(''.join(f"file '{part.name}'\n" for part in parts))
    return copy(folder / 'sizes.mkv', folder / 'list.txt', ('-f', 'concat'))


GAPS = ('-vf', r"select='lt(n\,6)+not(mod(n\,3))'", '-fps_mode', 'vfr')

# name: function that writes the video, and number of frames
VIDEOS: dict[str, tuple[Callable[[Path], Path], int]] = {
    **{f'rotated {a}': (_copied('rotated.mp4', ('-display_rotation', a)), 20) for a in ROTATIONS},
    'rotated in Matroska': (_copied('rotated.mkv', ('-display_rotation', 90)), 20),
    'rotated VP9': (_oriented_vp9('-display_rotation', 90), 20),
    'mirrored': (_copied('mirrored.mp4', ('-display_hflip',)), 20),
    'upside down, mirrored': (_copied('mirrored.mp4', ('-display_vflip',)), 20),
    **{
        f'rotated {a}, mirrored': (_copied('mirrored.mp4', ('-display_rotation', a, '-display_hflip')), 20)
        for a in (90, 270)
    },
    'mirrored VP9': (_oriented_vp9('-display_hflip'), 20),
    'interlaced': (_encoded('interlaced.mp4', 'libx264', '-flags', '+ildct+ilme', '-x264opts', 'tff=1'), 20),
    'sides that decord cannot copy': (_encoded('narrow.mp4', size='48x64'), 20),
    'rotated, sides that decord can copy': (_copied('even.mp4', ('-display_rotation', 90), size='128x64'), 20),
    'trimmed': (_copied('trimmed.mp4', ('-ss', 0.35)), 16),
    'trimmed to its middle': (_copied('trimmed.mp4', ('-ss', 0.35), ('-t', 0.8)), 10),
    'trimmed and rotated': (_copied('trimmed.mp4', ('-ss', 0.35, '-display_rotation', 90)), 16),
    'held, MP4': (_held('held.mp4', 'libx264'), 12),
    'held, WebM': (_held('held.webm', 'libvpx-vp9'), 12),
    '10 bits, H.264': (_encoded('ten.mp4', 'libx264', '-pix_fmt', 'yuv420p10le'), 20),
    '10 bits, HEVC': (_encoded('ten.mp4', 'libx265', '-pix_fmt', 'yuv420p10le'), 20),
    '10 bits, VP9': (_encoded('ten.webm', 'libvpx-vp9', '-pix_fmt', 'yuv420p10le'), 20),
    'variable rate, MP4': (_encoded('variable.mp4', 'libx264', *GAPS), 11),
    'variable rate, WebM': (_encoded('variable.webm', 'libvpx-vp9', *GAPS), 11),
    'one frame, MP4': (_encoded('one.mp4', frames=1), 1),
    'one frame, WebM': (_encoded('one.webm', 'libvpx-vp9', frames=1), 1),
    'two frames': (_encoded('two.mp4', frames=2), 2),
    'odd sides': (_encoded('odd.webm', 'libvpx-vp9', size='63x47'), 20),
    'odd sides, all colors': (_encoded('odd.mp4', 'libx264', '-pix_fmt', 'yuv444p', size='33x97'), 20),
    'shown before their keyframe': (_encoded('open.mp4', 'mpeg4', '-bf', 2), 20),
    'shown before their keyframe, AVI': (_encoded('open.avi', 'mpeg4', '-bf', 2), 20),
    'hidden': (_two_passes, 60),
    'broadcast': (_encoded('broadcast.ts'), 20),
    'no index': (_encoded('none.flv', 'flv'), 20),
    'plain': (_encoded('plain.mp4', 'libx264', '-bf', 2, '-g', 6), 20),
}
