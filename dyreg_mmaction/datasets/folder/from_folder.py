"""Folders with a sub-folder for each class."""

import os
from collections.abc import Iterator
from pathlib import Path

from .entries import SPLITS, Entry, Listing, check_names, clean_label, is_video, natural_key, walk_files


def read_folder(root: Path) -> Listing:
    """List the videos of a folder: root/class/.../video, or root/{train,val,test}/class/.../video.

    Hidden files and files without the extension of a video are ignored.

    Raises:
        ValueError: If the folder has no such videos.
    """
    files = list(walk_files(root))
    videos = [name for name in files if is_video(name)]
    if not videos:
        raise ValueError(_nothing(root, files))
    loose = [name for name in videos if '/' not in name]
    if len(loose) == len(videos):
        tables = sorted(name for name in files if name.lower().endswith(('.csv', '.txt')))
        instead = (
            f'pass the table that names their classes, such as {root / tables[0]}'
            if tables
            else 'move them, or write a CSV file with lines "path,class" and pass it'
        )
        raise ValueError(
            f'{root} has {len(videos)} videos but no sub-folder for each class with videos in it; {instead}'
        )
    parts = [name.split('/') for name in videos if '/' in name]
    tops = {top for top, *_ in parts}
    depth = 2 if {top.lower() for top in tops} <= SPLITS.keys() and 'train' in {SPLITS[t.lower()] for t in tops} else 1
    shallow = ['/'.join(path) for path in parts if len(path) <= depth]
    if shallow:
        raise ValueError(
            f'{root / shallow[0]} is in no class folder, but the top folders are {", ".join(sorted(tops))}; move '
            'it to a class folder inside one of these'
        )
    entries = [
        Entry(
            name='/'.join(path),
            label=clean_label(path[depth - 1]),
            split=SPLITS[path[0].lower()] if depth == 2 else '',
            recording='/'.join(path[depth:-1]),
        )
        for path in parts
    ]
    check_names(entries)
    return Listing(root, entries, remarks=tuple(_remarks(root, files, loose)))


def _nothing(root: Path, files: list[str]) -> str:
    pictures = sum(name.lower().endswith(('.jpg', '.jpeg', '.png')) for name in files)
    if pictures:
        return (
            f'{root} has {pictures} pictures and no videos; convert each folder of frames to a video (ffmpeg -i '
            'FOLDER/%05d.jpg VIDEO.mp4), or use a RawframeDataset'
        )
    return f'{root} has no videos; it must have a sub-folder for each class with videos (.mp4, .mkv, .avi, ...) in it'


def _remarks(root: Path, files: list[str], loose: list[str]) -> Iterator[str]:
    others = [name for name in files if not is_video(name)]
    if others:
        yield f'{len(others)} files are not videos and are ignored, such as {others[0]}'
    if loose:
        yield f'{len(loose)} videos are in no class folder and are ignored, such as {loose[0]}'
    for entry in sorted(os.scandir(root), key=lambda entry: natural_key(entry.name)):
        if entry.is_dir() and not entry.name.startswith('.'):
            if not any(is_video(name) for name in files if name.startswith(f'{entry.name}/')):
                yield f'{entry.name}/ has no videos and is ignored'
