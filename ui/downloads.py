"""Files that the page offers: a revision in any format, its recipe, the whole session, the uploaded original.

Each is made when it is asked for and handed over with a safe name; nothing is kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from agent import export, recipe_files, recipes
from sessions import bundle as bundles
from sessions import history
from sessions.errors import NotFound
from sessions.identity import REVISION_PREFIX
from sessions.moves import branch_name
from sessions.store import Store

ENDINGS = {"jpg": "jpeg", "jpeg": "jpeg", "png": "png", "webp": "webp", "tif": "tiff", "tiff": "tiff"}
OPTIONS = ("quality", "max_bytes", "size", "keep")


@dataclass(frozen=True)
class Download:
    """A file on its way to the browser."""

    data: bytes
    media_type: str
    name: str

    @property
    def disposition(self) -> str:
        """The header that makes it a download, its name given in ASCII and in full (RFC 6266)."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_. ") else "_" for c in self.name)
        return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name)}"


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
    """The whole session: every picture, every step, the conversation."""
    name = store.session(session).name
    with tempfile.TemporaryDirectory(prefix="pentimento-") as folder:
        path = Path(folder) / "bundle.zip"
        bundles.export_session(store, session, path)
        return Download(path.read_bytes(), "application/zip", f"{_stem(name)}.pentimento.zip")


def _stem(name: str) -> str:
    return branch_name(name, "session")
