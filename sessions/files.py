"""The file layer: everything we do to disk outside the database goes through these few calls.

`put` makes a file durable before its name appears: temporary file, write, fsync, rename, fsync of the folder. Tests
replace the primitives to inject faults and to record what a power cut would leave. Knows no content.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sessions.errors import BlobMissing, StorageError, StorageFull
from sessions.identity import new_id

TEMP_SUFFIX = ".part"
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def storage_errors() -> Iterator[None]:
    """OSError → StorageFull or StorageError, with a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("The disk is full; nothing was changed.", "Free some space and send it again.") from error
        raise StorageError(f"The disk refused: {error.strerror}; nothing was changed.") from error


class Files:
    """Durable files below one folder; names are relative and made by us, never by users."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._durable: set[Path] = set()

    def path(self, name: str) -> Path:
        return self.root / name

    def put(self, name: str, data: bytes) -> None:
        """Write a file once and make it durable; one that stands there with this content becomes young again."""
        final = self.path(name)
        temporary = final.with_name(f"{final.name}.{new_id()}{TEMP_SUFFIX}")
        with storage_errors():
            self.make_folder(final.parent)
            if not self._renew(final, data):
                try:
                    self.write(temporary, data)
                    self.rename(temporary, final)
                except OSError:
                    with suppress(OSError):
                        self.remove(temporary)
                    raise
            # also where the file stood already: whoever wrote it may not have come as far as this
            self.sync_folder(final.parent)

    def _renew(self, path: Path, data: bytes) -> bool:
        """Whether the file stands there undamaged; its age begins anew, so that `gc` lets it be."""
        try:
            os.utime(path)
            return path.read_bytes() == data
        except FileNotFoundError:
            return False

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file; a missing or short file is BlobMissing."""
        with storage_errors():
            try:
                with self.path(name).open("rb") as file:
                    file.seek(offset)
                    data = file.read(-1 if length is None else length)
            except (FileNotFoundError, ValueError):  # ValueError: a damaged record may hold any name
                raise BlobMissing(f"a stored file is missing: {name}", "Run: python -m sessions fsck") from None
        if length is not None and len(data) != length:
            raise BlobMissing(f"a stored file is too short: {name}", "Run: python -m sessions fsck")
        return data

    def make_folder(self, folder: Path) -> None:
        """Create a folder durably: its name is in its parent only after the parent's fsync, whoever made it."""
        if folder in self._durable and folder.is_dir():
            return
        inside = self.root in folder.parents
        if inside or not folder.parent.is_dir():
            self.make_folder(folder.parent)
        if inside or not folder.is_dir():
            folder.mkdir(exist_ok=True)
            self.sync_folder(folder.parent)
        self._durable.add(folder)

    def write(self, path: Path, data: bytes) -> None:
        with path.open("xb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
