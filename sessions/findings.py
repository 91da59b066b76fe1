"""What a check of the store finds: five words, a problem each, and the session under the looking glass.

  missing     something names a file or a record, and it is not there
  mismatch    it is there, and is not what its name or its neighbours say
  dangling    a link leads nowhere
  orphan      a file that nothing names
  stale-temp  what a process that died was writing

The first three are damage. Checks nothing itself: that is `check_pixels`, `check_history` and `fsck`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam

from sessions.store import Store

Word = Literal["missing", "mismatch", "dangling", "orphan", "stale-temp"]
Fault = tuple[Word, str]
"""A word and a sentence."""

HARMLESS = ("orphan", "stale-temp")
PORTION = 200
"""How many rows are looked at together."""

AT: BindParameter[str] = bindparam("session")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `what`: revision, file, tile, picture, asset, branch, tag, move, message, turn, …"""

    word: Word
    what: str
    name: str
    session: str
    detail: str

    @property
    def damage(self) -> bool:
        return self.word not in HARMLESS


@dataclass
class Look:
    """One session under examination: what is damaged in it so far, and where its moves say its heads are."""

    store: Store
    connection: Connection
    session: str
    tiles: dict[str, Word] = field(default_factory=dict)
    pictures: dict[str, Fault] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)

    def rows(self, statement: Select[Any]) -> Iterator[Row[Any]]:
        """The rows of a statement about this session (its parameter `session`), a portion at a time."""
        portions = {"yield_per": PORTION}
        yield from self.connection.execute(statement, {"session": self.session}, execution_options=portions)

    def problem(self, fault: Fault, what: str, name: object) -> Problem:
        return Problem(fault[0], what, str(name), self.session, fault[1])
