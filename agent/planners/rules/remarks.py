"""Steps of reading that set aside what asks for nothing: courtesy, reasons, remarks, captions, a name at the end.

Each looks at the segments from `at` on and says how many it has read; what stands right beside a request is parted
from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agent.planners.rules import asides, edits
from agent.planners.rules.clause import Clause, complete
from agent.planners.rules.judgements import may_follow_remark
from agent.planners.rules.patterns import matches
from agent.planners.rules.reader import Reader
from agent.planners.rules.segments import Segment
from agent.planners.rules.statements import is_label
from agent.planners.rules.tables import listed
from agent.planners.rules.units import Unit, courteous
from agent.planners.rules.words import Word, renamed

_BOUND = frozenset(listed("leads on"))
_BEGINS_A_REMARK = {
    "it",
    "there",
    "this",
    "he",
    "she",
    "they",
    "i",
    "my",
    "we",
    "its",
    "because",
    "cause",
    "now",
    "can",
}


def courtesy(reader: Reader, at: int) -> int:
    words = reader.segments[at].words
    if not courteous(words):
        return 0
    reader.reading.greeted |= words[0].text in {"hi", "hello", "hey", "good", "hiya"}
    return 1


def past(reader: Reader, at: int) -> int:
    """ "Before it lost its colours" speaks of the history, and not of an order."""
    segment = reader.segments[at]
    if segment.place not in {"before next", "after next"}:
        return 0
    alone = at == len(reader.segments) - 1 and not reader.reading.units
    if segment.words[0].text not in {"it", "i", "we", "they"} and not (alone and reader.reading.remarks):
        return 0
    reader.reading.unread.append(segment)
    return 1


def reason(reader: Reader, at: int) -> int:
    """ "… because my camera is old"; unless a request hides in it."""
    segment = reader.segments[at]
    if segment.joint != "reason" or not asides.is_remark(segment.words, reason=True):
        return 0
    asked = edits.read(segment.words, reader.canvas)
    recalled = asked is not None and {draft.tool for draft in asked} <= {draft.tool for draft in reader.reading.drafts}
    last = reader.reading.units[-1] if reader.reading.units else None
    if asked and last is not None and recalled and not complete(last.drafts) and complete(asked):
        reader.reading.units[-1] = replace(last, drafts=asked)
        return 1
    if (asked is not None and not recalled) or _split_remark(reader, segment):
        return 0
    reader.reading.remarks.append(segment)
    return 1


def remark(reader: Reader, at: int) -> int:
    """A remark, and what "with" adds to it."""
    asked = at + 1 < len(reader.segments) and matches("question", reader.segments[at].text)
    if not asked and not asides.is_remark(_with_subject(reader, at)):
        return 0
    stop = at + 1
    while (
        stop < len(reader.segments)
        and reader.segments[stop].joint == "with"
        and not asides.tools_of(reader.segments[stop : stop + 1])
    ):
        stop += 1
    topic = asides.topic(reader.segments[at].words) if not asked else _spoken_of(reader.segments[at])
    reader.reading.named = topic or _spoken_of(reader.segments[at]) or reader.reading.named
    if topic is not None:
        faulty = asked or asides.finds_fault(reader.segments[at].words, topic)
        reader.reading.topic = topic if faulty else None
    reader.reading.remarks += reader.segments[at:stop]
    return stop - at


_DENYING = {"do", "did", "cannot", "can", "could", "never", "hardly"}


def _with_subject(reader: Reader, at: int) -> Sequence[Word]:
    """ "(I am 81) and do not know the words": it is still about who speaks."""
    segment = reader.segments[at]
    told = segment.joint == "and" and at and reader.segments[at - 1] in reader.reading.remarks
    goes_on = told and reader.segments[at - 1].words[0].text == "i" and segment.words[0].text in _DENYING
    return (*renamed(segment.words[0], "i"), *segment.words) if goes_on else segment.words


def _spoken_of(segment: Segment) -> str | None:
    """The thing with an article that stands last: "I love the whiskers"."""
    things = [thing for thing in Clause.of(segment.words).all("thing") if thing.article and not thing.whole]
    return things[-1].words if things else None


def remark_and_edit(reader: Reader, at: int) -> int:
    """A remark with a request right behind it: "my lens was dirty please remove the spot"."""
    found = _split_remark(reader, reader.segments[at])
    if found is None:
        return 0
    remark, request = found
    reader.reading.remarks.append(remark)
    reader.reading.units.append(request)
    return 1


def _split_remark(reader: Reader, segment: Segment) -> tuple[Segment, Unit] | None:
    words = segment.words
    for cut in range(3, len(words)):
        if (
            words[cut - 1].text in _BOUND
            or not may_follow_remark(words, cut)
            or not asides.is_remark(words[:cut], segment.joint == "reason")
        ):
            continue
        drafts = edits.read(words[cut:], reader.canvas)
        if drafts and complete(drafts):
            return replace(segment, words=words[:cut]), Unit(drafts, [replace(segment, words=words[cut:])])
    return None


def edit_and_remark(reader: Reader, at: int) -> int:
    """A request with a remark right behind it: "blur the top left corner there is my address"."""
    segment = reader.segments[at]
    for cut in range(1, len(segment.words) - 2):
        if segment.words[cut].text not in _BEGINS_A_REMARK or not asides.is_remark(segment.words[cut:]):
            continue
        drafts = edits.read(segment.words[:cut], reader.canvas)
        if drafts and complete(drafts):
            reader.reading.units.append(Unit(drafts, [replace(segment, words=segment.words[:cut])]))
            reader.reading.remarks.append(replace(segment, words=segment.words[cut:]))
            return 1
    return 0


def caption(reader: Reader, at: int) -> int:
    """ "Product shot", "my holiday photo": says what the picture is."""
    segment = reader.segments[at]
    items = [item for item in Clause.of(segment.words).items if item.kind not in {"fill", "det"}]
    named = len(items) == 1 and items[0].kind == "thing" and items[0].value.whole and items[0].value.words
    if len(reader.segments) == 1 or segment.joint not in {"start", "sentence", "comma", "colon"}:
        return 0
    if _signs(reader, at):
        return 1
    iso = any(word.text == "iso" for word in segment.words)
    fresh = segment.joint in {"start", "sentence"} or all(courteous(one.words) for one in reader.segments[:at])
    if not named and not ((fresh or iso) and is_label(segment.words)):
        return 0
    reader.reading.remarks.append(segment)
    return 1


def _signs(reader: Reader, at: int) -> bool:
    """ "Many thanks, Ingrid"."""
    last = at == len(reader.segments) - 1 and at > 0
    words = reader.segments[at].words
    strange = len(words) <= 2 and all(item.kind == "unknown" for item in Clause.of(words).items)
    return last and strange and courteous(reader.segments[at - 1].words)
