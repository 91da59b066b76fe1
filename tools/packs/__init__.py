"""What can be pulled: a TOML file per pack, with repositories, pinned revisions, licences and sizes. Pulls nothing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pydantic import Field

from sessions.errors import NotFound
from tools.weights import Record

HERE = Path(__file__).parent
HUB = "hub:"
"""What a role begins with that is any repository of the Hub."""
COMMIT = re.compile("[0-9a-f]{40}")


class Extra(Record):
    """A file of another repository that belongs into an entry's folder, at `place`."""

    place: str
    repository: str
    revision: str
    file: str
    sha256: str = ""


class Source(Record):
    """Where the weights of a role come from. `bytes`: about what is downloaded; `known`: hashes of files, by place.

    `revision`: a commit; or "" or a name where no commit is known, and then the one that the Hub answers is kept.
    """

    role: str
    repository: str
    revision: str = ""
    licence: str = ""
    terms: str = ""
    bytes: int = Field(default=0, ge=0)
    known: dict[str, str] = Field(default_factory=dict)
    extra: tuple[Extra, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which cannot come to mean something else."""
        return COMMIT.fullmatch(self.revision) is not None


def packs() -> dict[str, tuple[Source, ...]]:
    """All packs by name."""
    return {path.stem: _read(path) for path in sorted(HERE.glob("*.toml"))}


def _read(path: Path) -> tuple[Source, ...]:
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(Source.model_validate(source) for source in told["source"])


def sources(what: str) -> tuple[Source, ...]:
    """What a name means: a pack, one role of the packs, or `hub:OWNER/NAME`; NotFound for anything else."""
    known = packs()
    if what in known:
        return known[what]
    roles = {source.role: source for pack in known.values() for source in pack}
    if what in roles:
        return (roles[what],)
    if what.startswith(HUB) and what.count("/") == 1:
        return (Source(role=what, repository=what.removeprefix(HUB), licence=f"the one on {card(what)}"),)
    raise NotFound(f"There is nothing called {what!r} to pull.", f"Try one of: {', '.join([*known, *roles])}.")


def card(what: str) -> str:
    """The page that describes a repository of the Hub."""
    return f"https://huggingface.co/{what.removeprefix(HUB)}"
