"""Files that the page offers: a revision in any format, its recipe, the whole session, the uploaded original.

Each is made when it is asked for and handed over with a safe name; nothing is kept. A session may be larger than the
memory: its bundle is read off the disk as the browser takes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from agent import export, recipe_files, recipes
from sessions import bundle as bundles
from sessions import history
from sessions.errors import NotFound
from sessions.files import TEMP_SUFFIX, storage_errors
from sessions.identity import REVISION_PREFIX, new_id
from sessions.moves import branch_name
from sessions.store import Store

ENDINGS = {"jpg": "jpeg", "jpeg": "jpeg", "png": "png", "webp": "webp", "tif": "tiff", "tiff": "tiff"}
OPTIONS = ("quality", "max_bytes", "size", "keep")
BLOCK = 1 << 20
"""How much of a large file is in memory, in bytes."""


@dataclass(frozen=True)
class Download:
    """A file on its way to the browser: its bytes, or an open file with them."""

    data: bytes | BinaryIO
    media_type: str
    name: str

    @property
    def disposition(self) -> str:
        """The header that makes it a download, its name given in ASCII and in full (RFC 6266)."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_. ") else "_" for c in self.name)
        return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name)}"


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of an open file, which is closed at their end."""
    with file:
        while block := file.read(BLOCK):
            yield block


def picture(store: Store, session: str, revision: str, ending: str, wanted: Mapping[str, str]) -> Download:
    """A revision as a file; BadArguments for options that do not fit."""
    if ending not in ENDINGS:
        raise NotFound(f"I cannot write .{ending}.", "Use .png, .jpg, .webp or .tiff.")
    said = {name: wanted[name] for name in OPTIONS if wanted.get(name)}
    options = export.options_of({"format": ENDINGS[ending]} | said)
    made = export.encode(store, store.revision(session, REVISION_PREFIX + revision), options)
    return Download(made.data, made.media_type, made.name)


def original(store: Store, session: str, revision: str) -> Download:
    """The uploaded file that a revision's line began with, byte for byte."""
    options = export.options_of({"original": True})
    made = export.encode(store, store.revision(session, REVISION_PREFIX + revision), options)
    return Download(made.data, made.media_type, made.name)


def recipe(store: Store, session: str, revision: str) -> Download:
    """The steps that lead to a revision, to be done again on other photos."""
    graph = history.graph(store, session)
    found = graph.by_id.get(REVISION_PREFIX + revision)
    if found is None:
        raise NotFound("There is no such revision in this session.")
    plain = recipes.recipe_of(graph, found)
    whole = recipe_files.enclosing(plain, recipe_files.pictures_of(store, session, plain))
    data = whole.model_dump_json(indent=1).encode()
    return Download(data, "application/json", f"{_stem(graph.session.name)}-{found.seq}.recipe.json")


def bundle(store: Store, session: str) -> Download:
    """The whole session: every picture, every step, the conversation.

    Written beside its pictures, where `gc` finds it should we be killed, and unlinked at once: what is left is open.
    """
    about = store.session(session)
    path = store.home / "blobs" / about.id / f"{new_id()}{TEMP_SUFFIX}"
    try:
        with storage_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            bundles.export_session(store, about.id, path)
            return Download(path.open("rb"), "application/zip", f"{_stem(about.name)}.pentimento.zip")
    finally:
        path.unlink(missing_ok=True)


def _stem(name: str) -> str:
    return branch_name(name, "session")
