"""The zip a bundle is: written so that equal contents give equal bytes, read as a file that somebody may have crafted.

Nothing in it is compressed, so that no member can be larger than the file. Members are found by the names a bundle has
and are never unpacked by their own. Knows no rows.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sessions.bundle_rows import LINE, damaged
from sessions.errors import Refused
from sessions.limits import PIXELS

MANIFEST = "manifest.json"
CHUNK = 2**20
LARGEST = 6 * PIXELS
"""Bytes of one file: above a picture of the most pixels with alpha and its mask, encoded in vain."""
MEMBERS = 500_000
_DIRECTORY = 150 * MEMBERS
_NEW_YEAR = (1980, 1, 1, 0, 0, 0)
_BLOB = re.compile("blobs/([0-9a-f]{64})")
_UNREADABLE = (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError, EOFError, OverflowError, struct.error)
"""What `zipfile` may raise over a crafted file."""


def table_member(name: str) -> str:
    return f"{name}.jsonl"


class Writer:
    """Adds members to a new zip: no times, no system, no compression."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file

    def add(self, name: str, parts: Iterable[bytes]) -> str:
        """Write one member; the sha256 of it."""
        about = zipfile.ZipInfo(name, _NEW_YEAR)
        about.create_system = 3
        about.external_attr = (stat.S_IFREG | 0o644) << 16
        digest = hashlib.sha256()
        with self._file.open(about, "w", force_zip64=True) as member:
            for part in parts:
                digest.update(part)
                member.write(part)
        return digest.hexdigest()


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """A bundle to read; Refused, now or while it is read, where it is not one."""
    if not path.is_file():
        raise Refused("There is no such file.", "Name a bundle: a .zip that pentimento export made.")
    try:
        with path.open("rb") as file:
            length = _check_directory(file)
            with zipfile.ZipFile(file) as opened:
                yield Reader(opened, length)
    except _UNREADABLE as error:
        raise damaged(f"it is damaged, or no bundle ({error})") from error


def _check_directory(file: IO[bytes]) -> int:
    """Before `zipfile` takes the directory into memory: it is not too long. The length of the file in bytes."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(length - 98, 0))
    tail = file.read().rjust(98, b"\0")
    wide, locator, end = tail[:56], tail[56:76], tail[76:]
    if end[:4] != b"PK\5\6":
        raise damaged("it is no bundle")
    size = int.from_bytes(end[12:16], "little")
    if locator[:4] == b"PK\6\7":
        place = int.from_bytes(locator[8:16], "little")
        if wide[:4] != b"PK\6\6" or place != length - 98:
            raise damaged("it is no bundle")
        size = max(int.from_bytes(wide[40:48], "little"), size if size < 2**32 - 1 else 0)
    if size > _DIRECTORY:
        raise damaged(f"it has more than {MEMBERS} members")
    return length


class Reader:
    """The members of a bundle. `blobs`: their sha256, sorted; `bytes`: of all blobs."""

    def __init__(self, file: zipfile.ZipFile, length: int) -> None:
        self._file = file
        self._members: dict[str, zipfile.ZipInfo] = {}
        for about in file.infolist():
            self._check(about)
            self._members[about.filename] = about
        if sum(about.file_size for about in self._members.values()) > length:
            raise damaged("its members overlap")
        self.tables = {name for name in self._members if name.endswith(".jsonl")}
        self.bytes = sum(about.file_size for name, about in self._members.items() if _BLOB.fullmatch(name))
        self.blobs = sorted(found[1] for found in map(_BLOB.fullmatch, self._members) if found)

    def _check(self, about: zipfile.ZipInfo) -> None:
        """Names are only compared; the other checks are there so that a small file stays small."""
        name, kind = about.filename, stat.S_IFMT(about.external_attr >> 16)
        known = name == MANIFEST or _BLOB.fullmatch(name) or re.fullmatch(r"[a-z_]{1,40}\.jsonl", name)
        if not known or name in self._members or kind not in (0, stat.S_IFREG):
            raise damaged(f"it has a member {name[:80]!r}")
        if about.compress_type != zipfile.ZIP_STORED or about.compress_size != about.file_size or about.flag_bits & 1:
            raise damaged(f"{name} is compressed or encrypted")
        if _BLOB.fullmatch(name) and about.file_size > LARGEST:
            raise damaged(f"{name} is larger than any picture")

    def manifest(self) -> bytes:
        return next(self.lines(MANIFEST), b"")

    def lines(self, name: str, sha256: str | None = None) -> Iterator[bytes]:
        """The lines of a member; Refused, in the end, where it has another hash."""
        if name not in self._members:
            raise damaged(f"{name} is missing")
        digest = hashlib.sha256()
        with self._file.open(self._members[name]) as member:
            while line := member.readline(LINE + 1):
                digest.update(line)
                if len(line) > LINE:
                    raise damaged(f"{name} has a line longer than {LINE} bytes")
                yield line
        if sha256 is not None and digest.hexdigest() != sha256:
            raise damaged(f"{name} is not what the manifest says")

    def copy(self, blob: str, target: Path) -> None:
        """Write a blob to a new file, durably; Refused where it is not what its name says."""
        digest = hashlib.sha256()
        with self._file.open(self._members[f"blobs/{blob}"]) as member, target.open("xb") as file:
            while part := member.read(CHUNK):
                digest.update(part)
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != blob:
            raise damaged(f"file {blob[:12]} is not what its name says")
