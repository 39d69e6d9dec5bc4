"""Files are written atomically."""

import os
import stat

import pytest

from dyreg_mmaction.files import atomic_write


def test_file_appears_when_the_context_ends(tmp_path):
    with atomic_write(tmp_path / 'new.txt') as file:
        file.write_text('complete')
        assert file.parent == tmp_path and not (tmp_path / 'new.txt').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['new.txt']
    assert (tmp_path / 'new.txt').read_text() == 'complete'


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_error_keeps_the_old_file_only(tmp_path, error):
    (tmp_path / 'file.bin').write_bytes(b'old')
    with pytest.raises(error), atomic_write(tmp_path / 'file.bin') as file:
        file.write_bytes(b'ne')
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ['file.bin']
    assert (tmp_path / 'file.bin').read_bytes() == b'old'


def test_permissions_of_the_old_file_are_kept(tmp_path):
    (tmp_path / 'default').touch()
    (tmp_path / 'old').touch(mode=0o600)
    for name in ('new', 'old'):
        with atomic_write(tmp_path / name) as file:
            file.touch()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes['new'] == modes['default'] and modes['old'] == 0o600


def test_processes_write_to_separate_files(tmp_path):
    """A killed process leaves its temporary file, which the next write with the same name replaces."""
    if (child := os.fork()) == 0:
        with atomic_write(tmp_path / 'file') as own, atomic_write(tmp_path / 'file', concurrent=False) as shared:
            own.touch()
            shared.touch()
            os._exit(0)
    os.waitpid(child, 0)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f'.file.{child}.part', '.file.part'}
    with atomic_write(tmp_path / 'file', concurrent=False) as file:
        file.write_text('whole')
    assert {path.name for path in tmp_path.iterdir()} == {'file', f'.file.{child}.part'}


@pytest.mark.parametrize('sync', [True, False])
def test_sync_flushes_file_and_folder(tmp_path, sync, monkeypatch):
    flushed = []

    def fsync(descriptor):
        flushed.append((os.fstat(descriptor).st_ino, (tmp_path / 'file').exists()))

    monkeypatch.setattr(os, 'fsync', fsync)
    with atomic_write(tmp_path / 'file', sync=sync) as file:
        file.touch()
    inodes = [((tmp_path / 'file').stat().st_ino, False), (tmp_path.stat().st_ino, True)]
    assert flushed == (inodes if sync else [])
