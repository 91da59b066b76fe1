"""The file layer: everything we do to disk outside the database goes through these few calls.

`put` makes a file durable before its name appears: temporary file, write, fsync, rename, fsync of the folder. Tests
replace the primitives to inject faults and to record what a power cut would leave. Knows no content.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
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

    def path(self, name: str) -> Path:
        return self.root / name

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file once and make it durable. An existing file of that name already has that content."""
        final = self.path(name)
        if final.exists():
            return
        temporary = final.with_name(f"{final.name}.{new_id()}{TEMP_SUFFIX}")
        with storage_errors():
            self.make_folder(final.parent)
            try:
                self.write(temporary, chunks)
                self.rename(temporary, final)
            except OSError:
                with suppress(OSError):
                    self.remove(temporary)
                raise
            self.sync_folder(final.parent)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file; a missing or short file is BlobMissing."""
        try:
            with self.path(name).open("rb") as file:
                file.seek(offset)
                data = file.read(-1 if length is None else length)
        except FileNotFoundError:
            raise BlobMissing(f"a stored file is missing: {name}", "Run: python -m sessions fsck") from None
        if length is not None and len(data) != length:
            raise BlobMissing(f"a stored file is too short: {name}", "Run: python -m sessions fsck")
        return data

    def make_folder(self, folder: Path) -> None:
        """Create a folder durably: its name is in its parent only after the parent's fsync."""
        missing = [folder, *folder.parents]
        for path in reversed(missing[: next(i for i, p in enumerate(missing) if p.exists())]):
            path.mkdir(exist_ok=True)
            self.sync_folder(path.parent)

    def write(self, path: Path, chunks: Iterable[bytes]) -> None:
        with path.open("xb", buffering=0) as file:
            for chunk in chunks:
                view = memoryview(chunk)
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
