"""Conversion of Something-Something's official files, V1 or V2, to MMAction2's lists, with a check of every video."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dyreg_mmaction.files import atomic_write

from ..parallel import map_in_processes
from ..video.checks import Inspection, check_frames, check_video, count_frames, find_video
from ..video.journal import check_all
from .labels import Sample, read_v1, read_v2

SPLITS = {'train': 'train', 'validation': 'val'}  # the official names and MMAction2's


class Version(NamedTuple):
    """The differences between V1 and V2.

    Attributes:
        name: MMAction2's name of the dataset.
        media: MMAction2's name of the folder of videos.
        line: Format of a line of a list.
        read: Reads a split's samples from the folder of label files.
        find: Checks whether a video exists.
        check: Checks whether a video can be decoded completely.
    """

    name: str
    media: str
    line: str
    read: Callable[[Path, str], list[Sample]]
    find: Callable[[Path], Inspection]
    check: Callable[[Path], Inspection]


V1 = Version('sthv1', 'rawframes', '{name} {num_frames} {label}\n', read_v1, count_frames, check_frames)
V2 = Version('sthv2', 'videos', '{name} {label}\n', read_v2, find_video, check_video)


def prepare(
    version: Version,
    root: Path,
    labels: Path | None = None,
    media: Path | None = None,
    *,
    fast: bool = False,
    drop_broken: bool = False,
    force: bool = False,
    workers: int = 1,
) -> list[Path]:
    """Check every video and write MMAction2's lists into the root folder.

    Args:
        version: `V1` or `V2`.
        root: The dataset's folder, data/sthv1 or data/sthv2 in MMAction2's configs.
        labels: Folder of the label files. Defaults to root/labels or, if it does not exist, root/annotations.
        media: Folder of the videos or of the folders of frames. Defaults to root/videos or root/rawframes.
        fast: Only check whether the videos exist.
        drop_broken: Omit missing and broken videos from the lists.
        force: Overwrite lists that differ.
        workers: Number of processes.

    Returns:
        The paths of the lists for training and validation.

    Raises:
        FileNotFoundError: If the folder of the labels or of the videos does not exist.
        FileExistsError: If a list exists and differs, and `force` is not set.
        ValueError: If videos are missing or broken without `drop_broken`, a label is unknown, or a list is empty.
    """
    labels = labels or (root / 'labels' if (root / 'labels').is_dir() else root / 'annotations')
    media = media or root / version.media
    for folder in (labels, media):
        if not folder.is_dir():
            raise FileNotFoundError(
                f'{folder} does not exist; download Something-Something (see docs/guides/something_something.md), or '
                "generate MiniSomething with 'python tools/data/make_mini_something.py data/mini_something'"
            )
    splits = {ours: version.read(labels, official) for official, ours in SPLITS.items()}
    names = list(dict.fromkeys(sample.name for samples in splits.values() for sample in samples))
    root.mkdir(parents=True, exist_ok=True)
    found = _inspect_all(version, root, media, names, fast, workers)
    _report(found, root / f'{version.name}_broken.txt', drop_broken)
    paths = [root / f'{version.name}_{split}_list_{version.media}.txt' for split in splits]
    lists = [[sample for sample in samples if not found[sample.name].problem] for samples in splits.values()]
    for path, samples in zip(paths, lists, strict=True):
        if not samples:
            raise ValueError(f'{path} would be empty because no video in {media} can be used; check that folder')
    for path, samples in zip(paths, lists, strict=True):
        lines = [version.line.format(**s._asdict(), num_frames=found[s.name].num_frames) for s in samples]
        write_text(path, ''.join(lines), force)
    return paths


def _inspect_all(
    version: Version, root: Path, media: Path, names: list[str], fast: bool, workers: int
) -> dict[str, Inspection]:
    """Inspect the videos (see :func:`.check_all`)."""
    if fast:
        results = map_in_processes(version.find, [media / name for name in names], workers, 'Finding videos')
        return dict(zip(names, results, strict=True))
    paths = {name: media / name for name in names}
    return check_all(version.check, paths, root / f'{version.name}_checked.tsv', workers)


def _report(found: dict[str, Inspection], report: Path, drop_broken: bool) -> None:
    """Write the missing and broken videos to a file and report their number."""
    report.unlink(missing_ok=True)
    problems = {name: inspection.problem for name, inspection in found.items() if inspection.problem}
    if not problems:
        return
    write_text(report, ''.join(f'{name}\t{problem}\n' for name, problem in sorted(problems.items())))
    kinds = Counter(problem.partition(':')[0] for problem in problems.values())
    counts = ', '.join(f'{count} {kind}' for kind, count in kinds.most_common())
    message = f'{len(problems)} of {len(found)} videos cannot be used ({counts}); they are listed in {report}'
    if not drop_broken:
        raise ValueError(f'{message}; fix them, or omit them from the lists with --drop-broken')
    print(f'{message} and omitted from the lists')


def write_text(path: Path, text: str, force: bool = False) -> None:
    """Write a file atomically; an existing file with other content is only overwritten if `force` is set.

    Raises:
        FileExistsError: If the file exists and differs.
    """
    if path.exists() and not force and path.read_text(encoding='utf-8') != text:
        raise FileExistsError(f'{path} exists with other content; move it, or overwrite it with --force')
    with atomic_write(path) as file:
        file.write_text(text, encoding='utf-8')
