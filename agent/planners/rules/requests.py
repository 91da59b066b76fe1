"""The step of reading for requests, and what a request may mean beside what was said before it.

Says how many segments from `at` on it has read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from agent.planners.rules import asides, edits
from agent.planners.rules.afterthoughts import (
    amend,
)
from agent.planners.rules.clause import REGIONAL, Clause, Draft, complete
from agent.planners.rules.limits import note_instead
from agent.planners.rules.mending import placed, says_there
from agent.planners.rules.patterns import matches
from agent.planners.rules.reader import Reader
from agent.planners.rules.segments import Segment
from agent.planners.rules.statements import states
from agent.planners.rules.units import Unit, unit
from agent.planners.rules.words import Word, renamed


def edit(reader: Reader, at: int) -> int:
    segment, reading = reader.segments[at], reader.reading
    found = _coordinated(reader, segment) or unit(reader.segments, at, reader.canvas) or _recolored(reader, segment)
    if found is None or _belongs_to_removal(reader, segment, found) or _only_describes(reader, segment, found):
        return 0
    if matches("keeps a share", segment.text):
        return 0
    if len(reader.segments) == 1 and all(word.kind == "quote" for word in segment.words):
        return 0
    if found.complaint and asides.praises(segment.words):
        return 0
    if not found.complaint and _SWALLOWING & {word.text for word in segment.words} and states(segment.words):
        return 0
    if not complete(found.drafts) and amend(reader, segment):
        return 1
    if reading.units and asides.is_remark(segment.words) and _repeats(found, reading.drafts):
        reading.remarks += found.segments
        return len(found.segments)
    if reading.topic and found.drafts[0].refers:
        around = Clause.of(found.words).has("prep") or found.tools != {"crop"}
        found.drafts = [_on(draft, reading.topic) if draft.refers and around else draft for draft in found.drafts]
    if _speaks_of_others(reader, found):
        return 0
    found = _in_a_mood(reader, at, found)
    there = says_there(found.words) or _possessed(found.words)
    where = (_where_was(reader) or reading.named) if there else None
    gone = reading.said is not None and reading.said.command.name in _GOING
    if says_there(found.words) and where is None and not (found.complaint or gone) and _everywhere(found.drafts):
        reading.vague.append(segment)
        return len(found.segments)
    note_instead(reader, found.segments)
    reading.units.append(replace(found, drafts=placed(found.drafts, where)) if where else found)
    return len(found.segments)


_SWALLOWING = frozenset("swallow swallows swallowed eat eats ate hide hides hid drown drowns devour devours".split())
"""Said of shadows and light: what they do to the detail is not wanted."""


_GOING = {"switch", "undo", "redo", "reset", "branch"}
"""After these "there" is the version that they lead to: "go back to the original and brighten it there"."""


def _everywhere(drafts: Sequence[Draft]) -> bool:
    return all(draft.tool in REGIONAL and draft.region is None for draft in drafts)


def _possessed(words: Sequence[Word]) -> bool:
    """ "(The carpet is hideous,) drain its colour"."""
    return any(one.text == "its" and Clause.of([other]).has("head") for one, other in pairwise(words))


def _speaks_of_others(reader: Reader, found: Unit) -> bool:
    """ "(My lens left the corners dark.) Brighten them": what they are must be known, or it would be everything."""
    plural = any(word.text in {"them", "those", "these"} for word in found.words)
    nowhere = any(draft.refers and draft.tool in REGIONAL and draft.region is None for draft in found.drafts)
    known = _where_was(reader) or any(draft.tool == "vignette" for draft in reader.reading.drafts)
    more = any(draft.factor is not None for draft in found.drafts)
    return plural and (nowhere or more) and not known and bool(reader.reading.remarks)


def _in_a_mood(reader: Reader, at: int, found: Unit) -> Unit:
    """ "Super dark | and moody": beside a mood a look is asked for, and not complained of."""
    following = reader.segments[at + 1 : at + 2]
    if not found.complaint or not following or following[0].joint not in {"and", "comma"}:
        return found
    mood = Clause.of(following[0].words)
    stated = Clause.of(found.words).has("be", "too", "enough", "not")
    if stated or mood.unexplained() or not mood.has("mood") or mood.has("head"):
        return found
    drafts = edits.read([*renamed(found.words[0], "make it"), *found.words], reader.canvas)
    return replace(found, drafts=drafts) if drafts and complete(drafts) else found


def _where_was(reader: Reader) -> str | None:
    """The part of the picture that was spoken of last."""
    regions = [draft.region for draft in reader.reading.drafts if draft.region]
    return reader.reading.topic or (regions[-1] if regions else None)


def _coordinated(reader: Reader, segment: Segment) -> Unit | None:
    """ "Make it sharper | and a bit dark": after a request it is asked for, and not complained of."""
    last = reader.reading.units[-1] if reader.reading.units else None
    if last is None or segment.joint not in {"and", "comma", "but"} or any(draft.complaint for draft in last.drafts):
        return None
    clause = Clause.of(segment.words)
    bare = clause.tools() == {"adjust"} and all(head.form == "adjective" for head in clause.heads())
    if not bare or clause.has("be", "too", "make", "not", "thing"):
        return None
    drafts = edits.read([*renamed(segment.words[0], "make it"), *segment.words], reader.canvas)
    return Unit([replace(draft, refers=False) for draft in drafts], [segment]) if drafts else None


def _recolored(reader: Reader, segment: Segment) -> Unit | None:
    """ "Make it white", where "it" is the background that was just talked about."""
    clause = Clause.of(segment.words)
    colors = clause.take_all("color")
    if reader.reading.topic != "background" or len(colors) != 1 or clause.unexplained() or not clause.has("whole"):
        return None
    return Unit([Draft("replace_background", {"color": colors[0]})], [segment])


def _only_describes(reader: Reader, segment: Segment, found: Unit) -> bool:
    """ "The picture with the white border" asks for no border."""
    definite = segment.joint == "with" and segment.words[0].text in {"the", "that", "my"}
    return definite and not reader.reading.units and found.tools <= {"border", "vignette", "text"}


def _belongs_to_removal(reader: Reader, segment: Segment, found: Unit) -> bool:
    """ "Remove the stains and yellow borders", "the card with "X" on it": no border and no words are wanted."""
    if not reader.reading.units or reader.reading.units[-1].tools != {"remove"} or segment.joint not in {"and", "with"}:
        return False
    clause = Clause.of(segment.words)
    asked = clause.has("make", "add", "insert", "direction", "fix", "should", "degree", "change")
    asked |= found.tools != {"border"} and any(head.form in {"verb", "comparative"} for head in clause.heads())
    return segment.joint == "with" or not asked


def _repeats(found: Unit, asked: Sequence[Draft]) -> bool:
    """Whether a statement only gives the reason of what was asked for before it."""
    return all(
        any(one.tool == draft.tool and (draft.tool != "adjust" or set(draft.args) & set(one.args)) for one in asked)
        for draft in found.drafts
    )


def _on(draft: Draft, region: str) -> Draft:
    """ "It" is what was just talked about."""
    if draft.tool in {"remove", "crop"} and draft.need is not None:
        return replace(draft, region=region, need=None)
    if draft.tool in REGIONAL and draft.region is None:
        return replace(draft, region=region)
    return draft
