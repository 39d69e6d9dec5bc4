"""CSV files and MMAction2's lists."""

import unicodedata

import pytest

from dyreg_mmaction.datasets.folder.from_table import read_tables


@pytest.fixture
def read(tmp_path):
    """Return a function that reads tables, given as texts by name, next to empty files."""
    for name in ('a.mp4', 'b c.mp4', 'd,e.mp4', 'f;g.mp4', 'sub/h.mp4'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def read(**texts):
        paths = []
        for name, text in texts.items():
            paths.append(tmp_path / name.replace('_', '.'))
            paths[-1].write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_tables(paths)

    return read


def rows(listing):
    return [tuple(entry[:3]) for entry in listing.entries]


@pytest.mark.parametrize(
    'text',
    [
        'a.mp4,cut\nb c.mp4,pour\n',
        'a.mp4;cut\nb c.mp4;pour\n',
        'a.mp4\tcut\nb c.mp4\tpour',
        'path,class\na.mp4,cut\nb c.mp4,pour\n',
        'Datei;Klasse\na.mp4;cut\nb c.mp4;pour\n',
        'class;comment;video\ncut;"; good";a.mp4\npour;;b c.mp4\n',
        '\ufeffa.mp4, cut \r\n\r\nb c.mp4, pour \r\n',
        '"a.mp4","cut"\n"b c.mp4","pour"\n',
        './a.mp4,cut\nsub/../b c.mp4,pour\n',
    ],
)
def test_headers_separators_and_quotes(read, text):
    assert rows(read(x_csv=text)) == [('a.mp4', 'cut', ''), ('b c.mp4', 'pour', '')]


def test_separator_with_existing_files_is_chosen(read):
    assert [name for name, *_ in rows(read(x_csv='d,e.mp4;cut\na.mp4;pour\n'))] == ['d,e.mp4', 'a.mp4']
    assert [name for name, *_ in rows(read(x_csv='f;g.mp4,cut\na.mp4,pour\n'))] == ['f;g.mp4', 'a.mp4']


def test_splits(read):
    found = rows(read(x_csv='path,label,subset\na.mp4,1,Training\nb c.mp4,2,valid\nsub/h.mp4,1,\n'))
    assert [split for *_, split in found] == ['train', 'val', '']
    both = read(my_train_txt='a.mp4 0\n', my_val_txt='b c.mp4 1\n')
    assert rows(both) == [('a.mp4', '0', 'train'), ('b c.mp4', '1', 'val')]


def test_windows_and_decomposed_names_are_found(read, tmp_path):
    (tmp_path / unicodedata.normalize('NFD', 'ü.mp4')).touch()
    text = unicodedata.normalize('NFC', 'ü.mp4,cut\n') + 'sub\\h.mp4,pour\n'
    listing = read(x_csv=text)
    assert all(listing.path(name).is_file() for name, *_ in rows(listing))


def test_names_without_extension_are_found(read):
    listing = read(t_csv='id,class\na,cut\nsub/h,pour\nb c.mp4,pour\n')
    assert rows(listing) == [('a.mp4', 'cut', ''), ('sub/h.mp4', 'pour', ''), ('b c.mp4', 'pour', '')]


def test_videos_outside_the_folder_have_absolute_names(read, tmp_path):
    listing = read(x_csv=f'a.mp4,cut\n{tmp_path.parent}/elsewhere.mp4,pour\n')
    assert listing.folder is None
    assert [name for name, *_ in rows(listing)] == [f'{tmp_path}/a.mp4', f'{tmp_path.parent}/elsewhere.mp4']


@pytest.mark.parametrize('labels', ['01', '12'])
def test_numbers_get_the_names_of_classes_txt(read, tmp_path, labels):
    (tmp_path / 'classes.txt').write_text('cut\npour\n')
    listing = read(x_txt=f'a.mp4 {labels[0]}\nb c.mp4 {labels[1]}\n')
    assert [label for _, label, _ in rows(listing)] == listing.classes == ['cut', 'pour']


def test_video_listed_twice_counts_once(read):
    listing = read(x_csv='a.mp4,cut\n./a.mp4,cut\nb c.mp4,pour\n')
    assert len(listing.entries) == 2 and listing.remarks == ('1 lines repeat a video and are ignored',)


@pytest.mark.parametrize(
    'texts, message',
    [
        (dict(x_csv='a.mp4,cut\na.mp4,pour\n'), "listed as 'cut' and as 'pour'"),
        (dict(x_csv=''), 'lists no videos'),
        (dict(x_csv='path,class\n'), 'lists no videos'),
        (dict(x_csv='a.mp4\nb c.mp4\n'), 'line 1 has 1 columns'),
        (dict(x_csv='a.mp4,cut\nb c.mp4,pour,train,7\n'), 'line 2 has 4 columns'),
        (dict(x_csv='a.mp4,\n'), 'lacks a path or a class'),
        (dict(x_csv='a.mp4,cut,later\n'), "the split is 'later', but must be"),
        (dict(x_csv='a.mp4,"cut\nb c.mp4,pour\n'), 'has a line break; close the quotation mark'),
        (dict(x_csv='path,comment,class\na.mp4,x\n'), 'line 2 has fewer columns'),
        (dict(x_csv=b'a.mp4,\xfc\n'), 'save it as UTF-8'),
        (dict(x_txt='a.mp4\n'), 'should be a path and a label'),
        (dict(x_csv='sub,cut\n'), 'sub is a folder; list video files'),
        (dict(one_txt='a.mp4 0\n', two_txt='a.mp4 1\n'), 'does not name its split'),
    ],
)
def test_invalid_tables_raise_errors(read, texts, message):
    with pytest.raises(ValueError, match=message):
        read(**texts)


def test_unknown_class_raises_an_error(read, tmp_path):
    (tmp_path / 'classes.txt').write_text('cut\npour\n')
    with pytest.raises(ValueError, match="class 'stir' is not one of the 2 classes in"):
        read(x_csv='a.mp4,cut\nb c.mp4,stir\n')
    with pytest.raises(ValueError, match="class '3' is not one of the 2 classes in"):
        read(x_txt='a.mp4 0\nb c.mp4 3\n')
