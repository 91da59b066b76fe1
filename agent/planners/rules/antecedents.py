"""Remarks that name a version or a step, and what is wanted of it: "the contrast was a mistake, undo it", "I liked it
better in colour, take me there", "what did it look like before the blur? Go back to that".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.plan import Context
from agent.planners.rules import references
from agent.planners.rules.patterns import every_match, match, matches
from agent.planners.rules.references import Reference, resolve
from sessions.values import Revision


@dataclass(frozen=True)
class Recalled:
    """A version to go to, or the words for a step to take back ("" for the last one)."""

    there: Reference | None = None
    unwanted: str | None = None


def recalled(text: str, context: Context) -> Recalled | None:
    """What a remark and its "take me there" or "undo it" come to; a remark alone where it compares with before."""
    strict = {slots["remark"] for slots in every_match("recalled and strictly undone", text)}
    for slots in every_match("recalled and undone", text):
        found = _unwanted(slots["remark"], slots["remark"] in strict, context) or _liked(slots["remark"], context)
        if found is not None:
            return found
    for slots in every_match("recalled and wanted", text):
        found = _liked(slots["remark"], context) or _named(slots["remark"], context)
        if found is not None:
            return found
    return _liked_more(text, context)


def leads_there(text: str) -> bool:
    """ "Take me there", "undo it": says nothing without what was said before it."""
    return matches("undo it", text) or matches("take me there", text)


def _unwanted(remark: str, strict: bool, context: Context) -> Recalled | None:
    """ "The contrast was a mistake", "that last change looks awful". `strict`: what follows can only mean a step."""
    for slots in every_match("judged badly", remark):
        what = slots.get("what", "")
        if not what or matches("last step", what):
            return Recalled(unwanted="")
        if any(step in references.line(context) for step in references.by_tool(_bare(what), context)):
            return Recalled(unwanted=what)
        if strict and "how" in slots:
            return Recalled(unwanted=_blamed(slots["how"], context))
    return None


def _blamed(how: str, context: Context) -> str:
    """ "It is too warm now, undo that": the step that made it so, where it is not the last one."""
    line = references.line(context)
    made = [step for step in references.by_tool(how, context) if step in line]
    return how if made and made[0] is not line[0] else ""


def _bare(what: str) -> str:
    return re.sub(r"^(?:the|that|my|this|those|these|your) ", "", what)


def _liked(remark: str, context: Context) -> Recalled | None:
    for slots in every_match("judged well", remark):
        if context.undone is not None and matches("last step", slots["ref"]):
            return Recalled(Reference(tuple(r for r in context.revisions if r.id == context.undone)))
        there = version(_with_state(slots), context)
        if there is not None:
            return Recalled(there)
    return None


def _with_state(slots: dict[str, str]) -> str:
    """ "The sepia one … without the border"."""
    return f"{slots['ref']} {slots.get('how', '')}".strip()


def _liked_more(text: str, context: Context) -> Recalled | None:
    """ "Without the dark edges was nicer": says by itself that the other one is wanted."""
    for slots in every_match("liked more", text):
        there = version(_with_state(slots), context)
        if there is not None and list(there.revisions) != references.line(context)[:1]:
            return Recalled(there)
    return None


def _named(remark: str, context: Context) -> Recalled | None:
    """ "What about the very first photo? Go there."."""
    slots = match("brought up", remark)
    there = version(slots["ref"], context) if slots else None
    return Recalled(there) if there else None


def version(text: str, context: Context) -> Reference | None:
    """ "With the sharpening", "sharpened", "in colour" as words for a version."""
    text = re.sub(
        r"^(?:it|this|that|the photo|the picture|how it (?:was|looked)|the way it (?:was|looked)) (?=\S)", "", text
    )
    for words in (text, f"version {text}", f"version that was {text}"):
        there = resolve(words, context)
        if there is not None:
            return there
    return None


def undone_among(revisions: Sequence[Revision], context: Context) -> bool:
    """Whether what is meant is just what was undone."""
    return context.undone is not None and [revision.id for revision in revisions] == [context.undone]
