"""Tables of videos: CSV files (path, class[, split]) and MMAction2's lists."""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from .entries import EXTENSIONS, SPLITS, Entry, Listing, check_names, clean_label, is_video, natural_key

DELIMITERS = ',;\t'
COLUMNS = dict(  # accepted column names, by priority
    name=('path', 'video_path', 'file', 'filename', 'file_name', 'video', 'video_name', 'name', 'clip', 'id'),
    label=('class', 'class_name', 'classname', 'label_name', 'action', 'category', 'label', 'class_id', 'target'),
    split=('split', 'subset', 'set', 'partition'),
)


def read_tables(paths: Sequence[Path], videos: Path | None = None) -> Listing:
    """Read the videos of tables; a classes.txt next to the first table gives the order of the classes.

    Files ending in .csv or .tsv are CSV, with or without a header, separated by commas, semicolons or tabs. All other
    files are MMAction2's lists: a path, white space, a label. Each of several files is the split in its name.

    Args:
        paths: The tables.
        videos: Folder that the paths are relative to, by default the folder of the first table.

    Raises:
        ValueError: If a table cannot be read, lists no videos, has a malformed line, or two classes for a video.
    """
    folder = Path(os.path.abspath(videos or paths[0].parent))
    rows = [row for path in paths for row in _read(path, folder, _split_of(path) if len(paths) > 1 else '')]
    names = [row.name for row in rows]
    inside = all(name.startswith(os.path.join(folder, '')) for name in names)
    found: dict[str, Entry] = {}
    for row in rows:
        name = os.path.relpath(row.name, folder) if inside else row.name
        row = row._replace(name=name, recording=os.path.dirname(name))
        if found.setdefault(name, row) != row:
            raise ValueError(
                f'{name} is listed as {_what(found[name])} and as {_what(row)}; list it with one class and one split'
            )
    entries = list(found.values())
    check_names(entries)
    repeated = len(rows) - len(entries)
    remarks = (f'{repeated} lines repeat a video and are ignored',) if repeated else ()
    return Listing(folder if inside else None, *_name_classes(entries, paths[0].parent / 'classes.txt'), remarks)


def _what(entry: Entry) -> str:
    return f'{entry.label!r}' + (f' ({entry.split})' if entry.split else '')


def _split_of(path: Path) -> str:
    found = {SPLITS[word] for word in re.split('[^a-z]+', path.stem.lower()) if word in SPLITS}
    if len(found) != 1:
        raise ValueError(
            f'{path.name} does not name its split; rename the lists so that each name contains train, val or test'
        )
    return found.pop()


def _read(path: Path, folder: Path, split: str) -> list[Entry]:
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not UTF-8 ({error}); save it as UTF-8') from error
    rows = _read_csv(path, text, folder) if path.suffix.lower() in ('.csv', '.tsv') else _read_list(path, text)
    entries = [_entry(fields, f'{path}, line {number}', folder, split) for number, fields in rows]
    if not entries:
        raise ValueError(f'{path} lists no videos; write a path and a class on each line')
    return entries


def _entry(fields: Sequence[str], place: str, folder: Path, split: str) -> Entry:
    name, label, own = (*fields, '', '')[:3]
    if not name or not clean_label(label):
        raise ValueError(f'{place}: {" ".join(fields)!r} lacks a path or a class; write both')
    if '\n' in label.strip():
        raise ValueError(f'{place}: the class {label[:40]!r} has a line break; close the quotation mark before it')
    own = own.strip()
    if own and own.lower() not in SPLITS:
        raise ValueError(f'{place}: the split is {own!r}, but must be train, val or test')
    path = _resolve(name, folder)
    if os.path.isdir(path):
        raise ValueError(f'{place}: {name} is a folder; list video files, not folders of frames')
    return Entry(path, clean_label(label), SPLITS[own.lower()] if own else split)


def _resolve(name: str, folder: Path) -> str:
    """Return the absolute path of a file; accept backslashes, other compositions of characters, and no extension."""
    options = [form for text in (name, name.strip(), name.replace('\\', '/')) for form in (text, *_forms(text))]
    paths = [os.path.abspath(os.path.join(folder, option)) for option in options]
    if not is_video(name):  # an id
        paths += [f'{path}.{extension}' for path in paths for extension in sorted(EXTENSIONS)]
    return next((path for path in paths if os.path.exists(path)), paths[0])


def _forms(text: str) -> list[str]:
    return [unicodedata.normalize(form, text) for form in ('NFC', 'NFD')]


def _read_list(path: Path, text: str) -> list[tuple[int, list[str]]]:
    rows = []
    for number, line in enumerate(text.split('\n'), start=1):
        if line.strip():
            fields = line.strip().rsplit('\t' if '\t' in line.strip() else None, 1)
            if len(fields) < 2:
                raise ValueError(f'{path}, line {number} is {line.strip()!r}, but should be a path and a label')
            rows.append((number, fields))
    return rows


def _read_csv(path: Path, text: str, folder: Path) -> list[tuple[int, list[str]]]:
    """Return the line number and the fields (path, class[, split]) of each row."""
    tables = [_parse(text, delimiter) for delimiter in DELIMITERS]
    rows = max(tables, key=lambda rows: (_count_files(rows, folder), -_raggedness(rows)))
    if not rows:
        return []
    known = [cell.strip().lower() for cell in rows[0][1]]
    columns = [next((known.index(name) for name in names if name in known), None) for names in COLUMNS.values()]
    named = columns[0] is not None and columns[1] is not None
    holds_path = _count_files(rows[:1], folder) or is_video(known[0]) or os.path.isdir(_resolve(rows[0][1][0], folder))
    if named or not holds_path:
        rows = rows[1:]
    if not named:
        wide = next(((number, row) for number, row in rows if not 2 <= len(row) <= 3), None)
        if wide:
            raise ValueError(
                f'{path}, line {wide[0]} has {len(wide[1])} columns, but should have a path, a class and optionally a '
                'split; quote fields that contain the separator, or name the columns in a first line: path,class,split'
            )
        return rows
    short = next((number for number, row in rows if len(row) <= max(filter(None, columns[:2]), default=0)), None)
    if short:
        raise ValueError(f'{path}, line {short} has fewer columns than the first line; write all columns on each line')
    return [(n, [row[c] if c is not None and c < len(row) else '' for c in columns]) for n, row in rows]


def _parse(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]


def _count_files(rows: list[tuple[int, list[str]]], folder: Path) -> int:
    return sum(any(cell and os.path.isfile(_resolve(cell, folder)) for cell in row) for _, row in rows[:100])


def _raggedness(rows: list[tuple[int, list[str]]]) -> int:
    """Return 0 if all rows have the same number of columns, at least two; else a positive number."""
    widths = {len(row) for _, row in rows}
    return len(widths) + 2 * (min(widths, default=1) < 2)


def _name_classes(entries: list[Entry], file: Path) -> tuple[list[Entry], list[str] | None]:
    """Replace numeric labels, counted from 0 or 1, by the names in classes.txt, and return the names in its order."""
    if not file.is_file():
        return entries, None
    classes = [clean_label(line) for line in file.read_text(encoding='utf-8-sig').split('\n') if line.strip()]
    labels = {entry.label for entry in entries}
    if labels <= set(classes):
        return entries, classes
    if all(label.isdecimal() for label in labels):
        largest = max(map(int, labels))
        first = 1 if largest == len(classes) and '0' not in labels else 0
        if largest - first < len(classes):
            return [entry._replace(label=classes[int(entry.label) - first]) for entry in entries], classes
    unknown = max(labels - set(classes), key=natural_key)
    raise ValueError(f'class {unknown!r} is not one of the {len(classes)} classes in {file}; fix or remove that file')
