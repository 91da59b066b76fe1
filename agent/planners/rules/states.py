"""Versions described by what had been done to them: "uncropped", "only cropped", "square and still in colour".

A description is cut into parts, each of which must name a step of this session; what none explains describes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.planners.rules.patterns import match, matches
from sessions.values import Revision

Steps = Callable[[str], list[Revision]]
"""Words → the steps of the session that they describe."""


@dataclass
class State:
    """What a version must stand on, what it must not, and whether nothing else may have been done."""

    has: list[list[Revision]] = field(default_factory=list)
    lacks: list[list[Revision]] = field(default_factory=list)
    only: bool = False

    def fits(self, back: Sequence[Revision]) -> bool:
        """Whether a version with this line behind it is meant. An upload has no step of its own."""
        done = [revision for revision in back if revision.step is not None]
        return (
            all(any(step in done for step in steps) for steps in self.has)
            and not any(step in done for steps in self.lacks for step in steps)
            and (not self.only or len(done) == len(self.has))
        )


_AROUND = re.compile(
    r"^(?:(?:the|a|my|to|at|in|when|where|how|as|while|that|which|it|this|was|is|were|had been|looked|version|one"
    r"|picture|photo|image|state|point|time|stage|way|nothing but|i|we|you|had|have|has|all|already|nicely|still|yet"
    r"|with) )+"
)
_TRAILING = re.compile(r" (?:version|one|picture|photo|image|shot|it|already|then|applied|done)$")


def described(text: str, steps: Steps) -> State | None:
    """The state that the words describe, where they say more than the name of one step; None where a word is left
    over."""
    if text.startswith(("no ", "not ")) or not matches("speaks of a state", text):
        return None
    found = State()
    slots = match("nothing else", text)
    if slots is not None:
        found.only, text = True, slots["what"]
    parts = re.split(r" (?:and|but) (?:also |yet |still )?", text)
    for part in parts:
        if not _part(part, found, steps):
            return None
    return found if found.only or found.lacks or len(found.has) > 1 else None


def _part(part: str, found: State, steps: Steps) -> bool:
    """Add what one part says to the state; False where it is not understood."""
    text = f"{part} "
    only = re.search(r"(?:^| )(?:only|just|merely|nothing but) ", text)
    found.only |= only is not None
    text = _AROUND.sub("", re.sub(r"(?:^|(?<= ))(?:only|just|merely|nothing but) ", "", text)).strip()
    text = _TRAILING.sub("", text)
    if matches("untouched", text):
        found.only = True
        return True
    kind = re.sub(r" (?:full )?(?:color|colored)$", "", text)
    if kind != text and steps(kind):
        found.has.append(steps(kind))
        text = "color"
    lacking = "monochrome" if matches("colored", text) else None
    if lacking is None and (without := match("lacking", text)) is not None:
        lacking = without["what"]
    elif lacking is None and text.startswith("un") and steps(text[2:]):
        lacking = text[2:]
    meant = steps(lacking or text)
    if meant:
        (found.lacks if lacking else found.has).append(meant)
    return bool(meant)
