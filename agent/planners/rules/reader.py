"""The state of reading a message: what has been understood so far, and of what.

The steps in `remarks`, `limits`, `requests` and `afterthoughts` fill it; `reading` says in which order they are tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.plan import Context
from agent.planners.rules import commands
from agent.planners.rules.asides import Ban
from agent.planners.rules.clause import Draft, complete
from agent.planners.rules.edits import Canvas
from agent.planners.rules.segments import Segment
from agent.planners.rules.units import Unit


@dataclass
class Reading:
    """All that was understood; `unread` are the segments that were not, `vague` those without a word of substance.

    `said`: the command. `then`: the one that the first `led` of the units lead to. `headings`: what stood before a
    colon and was spelled out after it. `topic`: what was found fault with last, `named`: what was spoken of last.
    `instead_of`: the words after "instead of", "" for a bare "instead", None where nothing is replaced.
    """

    units: list[Unit] = field(default_factory=list)
    bans: list[Ban] = field(default_factory=list)
    remarks: list[Segment] = field(default_factory=list)
    headings: list[Segment] = field(default_factory=list)
    unread: list[Segment] = field(default_factory=list)
    vague: list[Segment] = field(default_factory=list)
    said: commands.Said | None = None
    then: commands.Said | None = None
    led: int = 0
    topic: str | None = None
    named: str | None = None
    greeted: bool = False
    instead_of: str | None = None

    @property
    def drafts(self) -> list[Draft]:
        return [draft for found in self.units for draft in found.drafts]

    @property
    def complete(self) -> bool:
        return not self.unread and not self.vague and complete(self.drafts)


@dataclass
class Reader:
    """Goes through the segments once. A step looks at the segments from `at` on, and says how many it has read."""

    segments: Sequence[Segment]
    canvas: Canvas
    context: Context
    reading: Reading = field(default_factory=Reading)
