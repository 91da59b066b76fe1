"""A whole message → what it asks for: requests in their order, a command, restrictions, remarks set aside.

Every segment must be read as one of these; one that nothing explains stops everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.plan import Context
from agent.planners.rules import afterthoughts, asides, edits, limits, pictures, remarks, requests
from agent.planners.rules.clause import Clause, Draft
from agent.planners.rules.edits import Canvas
from agent.planners.rules.judgements import half_said
from agent.planners.rules.mending import placed
from agent.planners.rules.nounphrases import Thing
from agent.planners.rules.reader import Reader, Reading
from agent.planners.rules.segments import Segment
from agent.planners.rules.units import joined, read_words


def read(segments: Sequence[Segment], canvas: Canvas, context: Context) -> Reading:
    """Read the segments; what stands before a colon may be a heading that the rest spells out."""
    reading = _run(Reader(segments, canvas, context))
    colon = next((i for i, segment in enumerate(segments) if i and segment.joint == "colon"), None)
    if colon is None:
        return reading
    first = max((i for i in range(colon) if segments[i].joint in {"start", "sentence"}), default=0)
    if any(Clause.of(segment.words).has("quantity") for segment in segments[first : colon - 1]):
        first = colon - 1
    heading = segments[first:colon]
    if any(_orders(segment) or asides.ban(segment.words) or _names_version(segment) for segment in heading):
        return reading
    said = edits.read(joined(heading), canvas) or []
    topic = _named(heading)
    if topic is not None or not any(thing.article in {"a", "an"} for one in heading for thing in _things(one)):
        topic = next((draft.region for draft in said if draft.region), topic)
    spelled = _run(Reader([*segments[:first], *segments[colon:]], canvas, context, Reading(topic=topic)))
    named = asides.tools_of(heading) - ({"adjust"} if topic and not reading.complete else set())
    if heading[0].words[0].text == "for" or any(draft.need for draft in said):
        named -= {"crop", "resize"}
    again = _spells_out(spelled, heading, topic, canvas)
    named -= {"auto"} if again else set()
    covered = {draft.tool for draft in spelled.drafts} >= named or topic == "background"
    where = topic is not None and all(_only_names(one) for one in heading)
    if where and spelled.complete:
        reading = replace(reading, unread=[*reading.unread, *heading])
    if not spelled.complete or not covered or (reading.complete and not again):
        return reading
    for found in spelled.units:
        if topic and (reading.complete or where):
            found.drafts = placed(found.drafts, topic)
        if topic:
            found.drafts = [_beside(draft, topic) for draft in found.drafts]
    spelled.headings += heading
    return spelled


def _things(segment: Segment) -> list[Thing]:
    return Clause.of(segment.words).all("thing")


def _names_version(segment: Segment) -> bool:
    return any(word.kind in {"ref", "hash"} for word in segment.words)


def _named(heading: Sequence[Segment]) -> str | None:
    """The one thing that a heading names: "make the cat stand out more"."""
    things = [thing for segment in heading for thing in _things(segment)]
    named = [
        thing for thing in things if thing.article and not (thing.whole or thing.abstract or thing.vague or thing.inner)
    ]
    return named[0].words if len(named) == len(things) == 1 and not named[0].prep else None


def _only_names(segment: Segment) -> bool:
    """ "Just her eyes": a part of the picture and nothing more."""
    return not {item.kind for item in Clause.of(segment.words).items} - {"thing", "fill", "only", "det", "prep"}


def _spells_out(spelled: Reading, heading: Sequence[Segment], topic: str | None, canvas: Canvas) -> bool:
    """Whether the rest says again, and closer, what the heading says: "fade it: less contrast, less colour"."""
    said = read_words(joined(heading), canvas) or []
    if heading[0].words[0].text == "for":
        return {draft.tool for draft in said} == {"crop"} and any(draft.tool == "resize" for draft in spelled.drafts)
    if {draft.tool for draft in said} == {"auto"}:
        return not any(word.text.startswith("auto") for segment in heading for word in segment.words)
    if not said or any(draft.args.keys() & {"text", "at", "color", "width", "degrees"} for draft in said):
        return False
    again = {name for draft in spelled.drafts for name in (draft.args if draft.tool == "adjust" else {draft.tool})}
    names = {name for draft in said for name in (draft.args if draft.tool == "adjust" else {draft.tool})}
    return bool(names & again) or (topic is not None and all(draft.tool == "adjust" for draft in said))


def _orders(segment: Segment) -> bool:
    return bool(
        segment.place or {"first", "last", "before", "after", "finally"} & {word.text for word in segment.words}
    )


def _beside(draft: Draft, topic: str) -> Draft:
    """ "Everything else" is all but what was talked about."""
    return replace(draft, region=f"everything but the {topic}") if draft.region == "rest" else draft


_STEPS = (
    pictures.requested,
    afterthoughts.correction, afterthoughts.only_there, afterthoughts.also_removed, afterthoughts.mend,
    remarks.courtesy, remarks.past, limits.instead, limits.lone_command, remarks.reason, afterthoughts.tone,
    limits.restriction, afterthoughts.but_more, limits.command, limits.command_after, afterthoughts.elliptic,
    requests.edit, afterthoughts.afterthought, afterthoughts.further_complaint, remarks.remark_and_edit,
    remarks.edit_and_remark, remarks.remark, remarks.caption,
)  # fmt: skip
"""Tried in this order at each place; the first that reads something is right."""


def _run(reader: Reader) -> Reading:
    at = 0
    while at < len(reader.segments):
        at += next((taken for step in _STEPS if (taken := step(reader, at))), 0) or _unread(reader, at)
    return reader.reading


def _unread(reader: Reader, at: int) -> int:
    segment = reader.segments[at]
    (reader.reading.vague if half_said(segment) else reader.reading.unread).append(segment)
    return 1
