"""What can be pulled: a TOML file per pack, with repositories, pinned revisions, licences and sizes. Pulls nothing."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

from pydantic import Field

from sessions.errors import Ambiguous, NotFound
from tools.weights import Pack, Record

HERE = Path(__file__).parent
HUB = "hub:"
"""What a role begins with that is any repository of the Hub."""
COMMIT = re.compile("[0-9a-f]{40}")


class Extra(Record):
    """A file of another repository that belongs into an entry's folder, at `place`. `bytes`: of large ones, exactly."""

    place: str
    repository: str
    revision: str
    file: str
    sha256: str = ""
    bytes: int = Field(default=0, ge=0)


class Source(Record):
    """Where the weights of a role come from. `bytes`: about what is downloaded; `known`: hashes of files, by place.

    `revision`: a commit; or "" or a name where no commit is known, and then the one that the Hub answers is kept.
    `files`: names in the repository by their place, where it is laid out as nothing else is. `warning`: what has to be
    known before it is fetched. `pack`: the pack it stands in.
    """

    pack: Pack = "own"
    role: str
    repository: str
    revision: str = ""
    licence: str = ""
    terms: str = ""
    bytes: int = Field(default=0, ge=0)
    known: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    warning: str = ""
    extra: tuple[Extra, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which cannot come to mean something else."""
        return COMMIT.fullmatch(self.revision) is not None

    @property
    def word(self) -> str:
        """What one pulls it by: its role, or its pack where several have that role."""
        return self.role if _packs_with(self.role) < 2 else self.pack


def packs() -> dict[str, tuple[Source, ...]]:
    """All packs by name."""
    return {path.stem: _read(path) for path in sorted(HERE.glob("*.toml"))}


def _read(path: Path) -> tuple[Source, ...]:
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(Source.model_validate({**source, "pack": path.stem}) for source in told["source"])


@cache
def _packs_with(role: str) -> int:
    """How many packs have a role."""
    return Counter(source.role for pack in packs().values() for source in pack)[role]


def sources(what: str) -> tuple[Source, ...]:
    """What a name means: one role of the packs, else a pack, or `hub:OWNER/NAME`; NotFound for anything else."""
    known = packs()
    roles = {source.role: source for pack in known.values() for source in pack}
    if what in roles:
        return (_only(what, [source for pack in known.values() for source in pack if source.role == what]),)
    if what in known:
        return known[what]
    if what.startswith(HUB) and what.count("/") == 1:
        return (Source(role=what, repository=what.removeprefix(HUB), licence=f"the one on {card(what)}"),)
    names = dict.fromkeys([*known, *roles])
    raise NotFound(f"There is nothing called {what!r} to pull.", f"Try one of: {', '.join(names)}.")


def _only(role: str, found: list[Source]) -> Source:
    """The source of a role; Ambiguous where packs differ, as their licences do."""
    if len(found) == 1:
        return found[0]
    told = "; ".join(f"pentimento models pull {source.pack} ({source.licence})" for source in found)
    raise Ambiguous(f"There are {len(found)} to choose from for {role}.", f"{told}.", [one.pack for one in found])


def card(what: str) -> str:
    """The page that describes a repository of the Hub."""
    return f"https://huggingface.co/{what.removeprefix(HUB)}"
