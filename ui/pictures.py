"""Puts picture files where a person wants them: whole or not at all, and never over another file unasked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from agent.events import Event, Exported
from agent.export import PictureFile, encode, options_of
from sessions.errors import BadArguments, NameTaken
from sessions.files import TEMP_SUFFIX, storage_errors
from sessions.identity import new_id
from sessions.store import Store
from sessions.values import Revision


def write(store: Store, revision: Revision, path: Path) -> Path:
    """Write a revision in the format that the file's ending names; what `show --out` does."""
    if not path.suffix:
        raise BadArguments(f"{path} has no ending that names a format.", "Use .jpg, .png, .webp or .tiff.")
    return save(encode(store, revision, options_of({"format": path.suffix, "quality": 95})).data, path)


def save(data: bytes, path: Path, force: bool = False) -> Path:
    """Write a file under a passing name and then give it its own. NameTaken where it is taken, unless `force`."""
    if path.exists() and not force:
        raise NameTaken(
            f"{path} is there already.", "Name another file; export, recipe and compare write over it with --force."
        )
    part = path.with_name(f".{new_id()}{TEMP_SUFFIX}")
    with storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as file:
                file.write(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def deliver(store: Store, events: Iterable[Event]) -> Iterator[tuple[Path, PictureFile]]:
    """Write the files that a turn was asked for into the current folder, under names that are free there."""
    for event in events:
        if isinstance(event, Exported):
            made = encode(store, event.revision, options_of(event.options))
            yield save(made.data, free(Path(made.name))), made


def free(path: Path) -> Path:
    """The path, or `name-2.jpg` … where a file of that name stands."""
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return path if not path.exists() else next(other for other in others if not other.exists())
