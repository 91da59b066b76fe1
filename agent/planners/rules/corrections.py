"""Words taken back in the same breath: "crop it to 4:3, no wait, 3:2", "a black border, sorry, white".

Only finds the request as it is meant in the end, or that there is none; `reading` puts it in the place of the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.planners.rules.clause import REGIONAL, Clause, Draft, complete
from agent.planners.rules.edits import Canvas
from agent.planners.rules.segments import Segment
from agent.planners.rules.tables import listed
from agent.planners.rules.units import Unit, unit
from agent.planners.rules.words import Word

_TAKING_BACK = frozenset(listed("takes back what was said"))
_DOUBTING = frozenset(listed("may take back what was said"))
_LONGEST = 3


def taken_back(words: Sequence[Word]) -> tuple[str, tuple[Word, ...]]:
    """("yes", "perhaps" or "", the words that follow): whether the first words take back what was said before.

    "No" does so only before a pause: "no border" is something else.
    """
    for length in range(min(_LONGEST, len(words)), 0, -1):
        said = " ".join(word.text for word in words[:length])
        bare = said != "no" or length == len(words)
        if bare and (said in _TAKING_BACK or said in _DOUBTING):
            return ("yes" if said in _TAKING_BACK else "perhaps"), tuple(words[length:])
    return "", tuple(words)


def corrected(last: Unit, segments: Sequence[Segment], canvas: Canvas, sure: bool) -> Unit | None:
    """What is asked for instead of `last` by the segments from the first on; None where they ask for something else."""
    found = unit(segments, 0, canvas)
    if found is None or not complete(found.drafts):
        found = _with_verb(last, segments, canvas)
    if found is None or found.tools != last.tools:
        return None
    if not sure and not _rivals(last.drafts, found.drafts):
        return None
    meant = last.drafts[-1].region
    everywhere = any(thing.whole for thing in Clause.of(found.words).all("thing"))
    drafts = [draft if everywhere else _in_its_place(draft, meant, sure) for draft in found.drafts]
    return replace(found, drafts=drafts)


def _in_its_place(draft: Draft, region: str | None, sure: bool) -> Draft:
    """What is said instead is meant where the first was."""
    nowhere = draft.region is None and draft.tool in REGIONAL and (draft.refers or sure)
    return replace(draft, region=region) if nowhere else draft


def _with_verb(last: Unit, segments: Sequence[Segment], canvas: Canvas) -> Unit | None:
    """ "(Rotate left,) right": the words said last take the places of their like."""
    kinds = {item.kind for item in Clause.of(segments[0].words).items} - {"fill", "det", "prep", "only"}
    items = Clause.of(last.words).items
    kept = [word for item in items if item.kind not in kinds for word in last.words[item.start : item.stop]]
    if len(kept) == len(last.words) and complete(last.drafts):
        return None
    found = unit([replace(segments[0], words=(*kept, *segments[0].words)), *segments[1:]], 0, canvas)
    return found if found is not None and complete(found.drafts) else None


def _rivals(before: Sequence[Draft], after: Sequence[Draft]) -> bool:
    """Whether both cannot be meant."""
    one, other = before[-1], after[0]
    if one.region != other.region and not other.refers:
        return False
    return other.tool != "adjust" or bool(set(one.args) & set(other.args))
