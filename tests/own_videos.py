"""Folders of videos as users may have them, for tests."""

from pathlib import Path

from video_cases import copy, encode, run_ffmpeg

BROKEN = {
    'turn left/truncated.mp4': 'undecodable',
    'turn left/empty.mp4': 'empty',
    'turn left/text.mp4': 'undecodable',
    'turn left/one frame.mp4': 'one frame',
    'Drehen (ü, 日本)/gone.mp4': 'missing',
}


def add_sound(path: Path, source: Path) -> Path:
    """Add an audio track."""
    run_ffmpeg('-i', source, '-f', 'lavfi', '-i', 'sine=duration=9', '-c:v', 'copy', '-c:a', 'aac', '-shortest', path)
    return path


def irregular_folder(root: Path) -> Path:
    """Create a folder of unusual but valid videos, and the invalid ones of ``BROKEN``.

    It has spaces, capitals, Unicode, portrait, square and rotated videos, mixed rates and codecs, nested folders, a
    class with one video, foreign files, and a class folder without videos.
    """
    for name in ('turn left', 'Drehen (ü, 日本)', 'single'):
        (root / name / 'deeper' / 'still').mkdir(parents=True)
    left, turn = root / 'turn left', root / 'Drehen (ü, 日本)'
    encode(left / 'one two.MP4', size='64x48')
    encode(left / 'portrait.mov', size='48x64')
    encode(left / 'deeper' / 'square.Mkv', size='64x64')
    encode(left / 'deeper' / 'still' / "it's 100%, #1.avi", 'mpeg4')
    encode(turn / 'odd.webm', 'libvpx-vp9', size='63x47')
    encode(turn / ' blank in front.mp4', 'libx264', '-r', 30)
    encode(turn / 'ünïcode.mp4', 'libx264', '-r', '24000/1001')
    source = encode(turn / 'source.mp4', 'libx264')
    copy(turn / 'rotated.mp4', source, ('-display_rotation', 90))
    encode(turn / 'av1.mp4', 'libsvtav1', '-svtav1-params', 'preset=12')
    add_sound(root / 'single' / 'the only one.m4v', source)
    content = source.read_bytes()
    (left / 'truncated.mp4').write_bytes(content[: len(content) // 2])
    (left / 'empty.mp4').touch()
    (left / 'text.mp4').write_text('no video')
    encode(left / 'one frame.mp4', frames=1)
    (left / '._resource.mp4').write_text('of macOS')
    (left / 'Thumbs.db').write_text('of Windows')
    (turn / 'gone.mp4').symlink_to(root / 'nowhere.mp4')
    (root / 'no videos').mkdir()
    (root / 'notes.txt').write_text('notes')
    encode(root / 'loose.mp4')
    return root
