"""The file layer: what `put` promises, call by call."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sessions.errors import BlobMissing, StorageError, StorageFull
from sessions.files import TEMP_SUFFIX, Files


class Watched(Files):
    """Writes down what is made durable."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.done: list[str] = []

    def write(self, path: Path, data: bytes) -> None:
        self.done.append("write")
        super().write(path, data)

    def rename(self, old: Path, new: Path) -> None:
        self.done.append("rename")
        super().rename(old, new)

    def sync_folder(self, folder: Path) -> None:
        self.done.append(f"sync {folder.relative_to(self.root.parent)}")
        super().sync_folder(folder)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_a_file_and_every_folder_above_it_are_synced_before_it_is_there(home):
    files = Watched(home)
    files.put("blobs/s/x", b"data")
    assert files.done == ["sync .", "sync home", "sync home/blobs", "write", "rename", "sync home/blobs/s"]
    assert files.get("blobs/s/x") == b"data"
    assert [path.name for path in (home / "blobs/s").iterdir()] == ["x"]


def test_folders_are_synced_once_by_each_who_uses_them(home):
    """Another process may have made a folder and not have come as far as its sync."""
    files = Watched(home)
    files.put("blobs/s/x", b"data")
    files.done.clear()
    files.put("blobs/s/y", b"more")
    assert files.done == ["write", "rename", "sync home/blobs/s"]
    other = Watched(home)
    other.put("blobs/s/z", b"most")
    assert other.done == ["sync home", "sync home/blobs", "write", "rename", "sync home/blobs/s"]


def test_what_stands_there_is_not_written_again_but_synced_and_young(home):
    files = Watched(home)
    files.put("blobs/s/x", b"data")
    os.utime(home / "blobs/s/x", (0, 0))
    files.done.clear()
    files.put("blobs/s/x", b"data")
    assert files.done == ["sync home/blobs/s"]
    assert (home / "blobs/s/x").stat().st_mtime > 0


def test_what_stands_there_damaged_is_replaced(home):
    files = Files(home)
    files.put("blobs/s/x", b"data")
    (home / "blobs/s/x").write_bytes(b"dat?")
    files.put("blobs/s/x", b"data")
    assert files.get("blobs/s/x") == b"data"


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageError)]
)
@pytest.mark.parametrize("name", ["write", "rename", "sync_folder", "make_folder"])
def test_a_disk_that_refuses_is_told_and_leaves_no_temporary_file(home, monkeypatch, name, number, kind):
    files = Files(home)
    files.put("blobs/s/other", b"data")

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Files, name, refuse)
    with pytest.raises(kind) as refusal:
        files.put("blobs/s/x", b"data")
    assert type(refusal.value) is kind
    assert not list(home.rglob(f"*{TEMP_SUFFIX}"))


@pytest.mark.parametrize(("offset", "length"), [(0, 5), (3, 2), (4, 1), (9, 1), (-1, 2), (0, -2)])
def test_a_place_that_is_not_in_the_file(home, offset, length):
    files = Files(home)
    files.put("blobs/s/x", b"data")
    with pytest.raises(StorageError):
        files.get("blobs/s/x", offset, length)


def test_a_part_of_a_file(home):
    files = Files(home)
    files.put("blobs/s/x", b"data")
    assert files.get("blobs/s/x", 1, 2) == b"at"


def test_a_file_that_cannot_be_read_is_our_error(home):
    (home / "blobs").mkdir(parents=True)
    with pytest.raises(StorageError):
        Files(home).get("blobs")
    with pytest.raises(BlobMissing):
        Files(home).get("blobs/s")
