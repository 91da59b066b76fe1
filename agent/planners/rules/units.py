"""Segments read together: the shortest run of them that asks for something, and what belongs to it as an afterthought.

"make the dog and | the cat brighter" makes sense only together; "more contrast, | a lot" is one request in two pieces;
"crop it square make it sepia" two in one. Knows nothing of the message as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.planners.rules import asides, edits
from agent.planners.rules.clause import Clause, Draft, complete
from agent.planners.rules.edits import Canvas
from agent.planners.rules.lexicon import lexicon
from agent.planners.rules.mending import mends
from agent.planners.rules.segments import Segment
from agent.planners.rules.statements import states
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word

_FURTHEST = 5
"""So many segments may be read as one."""
_COURTESIES = frozenset([*listed("thanks in other languages"), "right", "not bad", "perfect", "lovely", "great"])
_VERBS = {"make", "add", "insert", "direction", "fix", "change"}


@dataclass
class Unit:
    """Some segments that were read together, and what came of them."""

    drafts: list[Draft]
    segments: Sequence[Segment]

    @property
    def place(self) -> str:
        return next((segment.place for segment in self.segments if segment.place), "")

    @property
    def joint(self) -> str:
        return self.segments[0].joint

    @property
    def tools(self) -> set[str]:
        return {draft.tool for draft in self.drafts}

    @property
    def words(self) -> list[Word]:
        return [word for segment in self.segments for word in segment.words]

    @property
    def complaint(self) -> bool:
        return all(draft.complaint for draft in self.drafts)


def courteous(words: Sequence[Word]) -> bool:
    """Nothing but courtesy; "no" alone only says that something else comes now."""
    if " ".join(word.text for word in words) in _COURTESIES:
        return True
    items = Clause.of(words).items
    return all(item.kind == "fill" or (item.kind == "not" and item.value == "no") for item in items)


def opens(words: Sequence[Word]) -> bool:
    """Whether the words begin a request of their own: with a verb that asks for something."""
    first = next((item for item in Clause.of(words).items if item.kind not in {"fill", "det"}), None)
    return first is not None and (first.kind in _VERBS or (first.kind == "head" and first.value.form == "verb"))


def joined(segments: Sequence[Segment]) -> list[Word]:
    """The words of several segments, with "and" or "with" between them as it was said."""
    words: list[Word] = list(segments[0].words)
    for segment in segments[1:]:
        link = {"and": "and", "comma": "and", "with": "with"}.get(segment.joint)
        link = link if segment.joint == "and" or not _only_measures(segment) else None
        if link:
            words.append(Word(link, "word", segment.words[0].start, segment.words[0].start))
        words += segment.words
    return words


def _only_measures(segment: Segment) -> bool:
    """ "(Cooler,) just a touch": nothing is added, only how much."""
    return not {item.kind for item in Clause.of(segment.words).items} - {"degree", "fill", "only", "quantity"}


def unit(segments: Sequence[Segment], at: int, canvas: Canvas) -> Unit | None:
    """The shortest run from `at` that is understood, with its afterthoughts; one that lacks something if none is
    whole."""
    lacking: Unit | None = None
    for stop in range(at + 1, min(at + _FURTHEST, len(segments)) + 1):
        run = segments[at:stop]
        if _stands_apart(run, lacking, canvas):
            break
        drafts = read_words(joined(run), canvas)
        if drafts is None:
            continue
        if complete(drafts):
            return _extended(segments, at, Unit(drafts, run), canvas)
        lacking = lacking or Unit(drafts, run)
    return lacking


def _stands_apart(run: Sequence[Segment], lacking: Unit | None, canvas: Canvas) -> bool:
    """Whether the last segment of a run is a matter of its own."""
    last = run[-1]
    if last.joint == "reason" and not (lacking and lacking.tools <= {"flip", "resize"}):
        return True
    if len(run) == 1:
        return False
    if lacking is None and last.joint in {"comma", "sentence"} and states(last.words):
        return True
    if last.place or last.joint == "then" or asides.ban(last.words):
        return True
    if last.joint == "sentence" or (last.joint == "colon" and edits.read(joined(run[:-1]), canvas) is None):
        alone = edits.read(last.words, canvas)
        return (
            alone is not None and complete(alone) and not any(draft.refers for draft in alone if draft.tool == "remove")
        )
    return (
        opens(last.words)
        and any(opens(segment.words) for segment in run[:-1])
        and edits.read(last.words, canvas) is not None
    )


# --- afterthoughts ----------------------------------------------------------------------------------------------------


def _extended(segments: Sequence[Segment], at: int, found: Unit, canvas: Canvas) -> Unit:
    """ "… , a lot more", "… and nose": what says nothing alone but something after the unit."""
    stop = at + len(found.segments)
    while stop < len(segments):
        polite = courteous(segments[stop].words) and stop + 1 < len(segments)
        if polite and segments[stop + 1].joint != "sentence":
            stop += 1
        if not (_is_fragment(segments[stop], found, canvas) or _tones(segments[stop], found)):
            break
        drafts = edits.read(joined(segments[at : stop + 1]), canvas)
        if drafts is None or not complete(drafts):
            break
        stop += 1
        found = Unit(drafts, segments[at:stop])
    return found


def _is_fragment(segment: Segment, before: Unit, canvas: Canvas) -> bool:
    """Whether a segment can only be the rest of what was said before it."""
    if segment.place or segment.joint in {"then", "reason"} or segment.words[0].text == "instead":
        return False
    if (before.complaint and mends(segment.words, before.drafts)) or states(segment.words):
        return False
    if before.tools == {"remove"} and hoped(segment.words):
        return False
    clause = Clause.of(segment.words)
    inserts = opens(segment.words) and clause.has("add", "insert")
    if inserts or courteous(segment.words) or asides.ban(segment.words):
        return False
    if _shares_verb(segment, before):
        return True
    drafts = read_words(segment.words, canvas)
    if drafts is None or not complete(drafts) or any(not draft.tool for draft in drafts):
        return True
    return drafts[0].tool == "crop" and not clause.has("head", "make", "add")


def hoped(words: Sequence[Word]) -> bool:
    """ "(Remove the people,) I wanted an empty beach": what it would be without them."""
    return len(words) > 2 and words[0].text in {"i", "we"} and words[1].text in {"wanted", "expected", "hoped"}


def _shares_verb(segment: Segment, before: Unit) -> bool:
    """ "Increase brightness | and saturation a little": the second noun shares the verb, and the first the degree."""
    said, more = Clause.of(before.words), Clause.of(segment.words)
    heads = more.heads()
    if segment.joint not in {"and", "comma"} or not heads or any(head.form != "noun" for head in heads):
        return False
    own = more.has("direction", "make", "add", "quantity")
    return said.has("direction") and not said.has("degree", "quantity") and not own


def _tones(segment: Segment, before: Unit) -> bool:
    """ "Black and white with a cool tone"."""
    toned = segment.joint in {"with", "but"} and Clause.of(segment.words).tools() == {"adjust"}
    return before.tools == {"monochrome"} and toned and segment.words[0].text != "instead"


# --- one clause, or two -----------------------------------------------------------------------------------------------


def read_words(words: Sequence[Word], canvas: Canvas) -> list[Draft] | None:
    """A clause; or two clauses with nothing between them; or a clause and what it is for."""
    drafts = edits.read(words, canvas)
    if drafts is not None and complete(drafts):
        return drafts
    return _without_purpose(words, canvas) or _two(words, canvas) or drafts


def _without_purpose(words: Sequence[Word], canvas: Canvas) -> list[Draft] | None:
    """ "… for my shop", "… to match the other one": what it is for changes nothing."""
    for at in range(len(words) - 1, 0, -1):
        if words[at].text in {"for", "like", "to", "as"} and asides.is_purpose(words[at:]):
            drafts = edits.read(words[:at], canvas)
            if drafts and complete(drafts):
                return drafts
    return None


def _two(words: Sequence[Word], canvas: Canvas) -> list[Draft] | None:
    """ "Crop it square make it black and white": both sides must be complete; a verb is the likelier beginning."""
    cuts = [cut for cut in range(2, len(words) - 1) if _may_begin(words, cut) and not _inside(words, cut)]
    for cut in sorted(cuts, key=lambda cut: not opens(words[cut:])):
        first = edits.read(words[:cut], canvas)
        second = edits.read(words[cut:], canvas) if first and complete(first) else None
        if not first or not second or not complete(second) or any(not draft.tool for draft in [*first, *second]):
            continue
        if all(draft.complaint for draft in first) or not _asked(first) & _asked(second):
            return [*first, *second]
    return None


_BOUND = frozenset(listed("leads on"))


def _may_begin(words: Sequence[Word], at: int) -> bool:
    """Whether a new request may begin here: with a verb, a comparative, a direction, a degree, a look or a ratio."""
    if words[at - 1].text in _BOUND:
        return False
    entry = lexicon().longest([word.text for word in words[at:]])
    if entry is None:
        return words[at].kind in {"ratio", "size", "number"}
    if entry.kind == "head":
        return entry.value.form in {"verb", "comparative"} or entry.value.tool == "monochrome"
    if entry.kind == "fill":
        return entry.words[0] != "to"
    return entry.kind in {"make", "add", "change", "direction", "degree", "shape"}


def _inside(words: Sequence[Word], at: int) -> bool:
    """Whether the place is inside "a cool monochrome": right behind an article and an adjective."""
    before = lexicon().single(words[at - 1].text)
    describes = before is not None and before.kind in {"head", "degree", "adjective", "color"}
    return describes and words[at - 2].text in {"a", "an"}


def _asked(drafts: Sequence[Draft]) -> set[tuple[str, str | None, str]]:
    """Tools with their regions, and of adjust its sliders: what two clauses in a row do not both ask for."""
    names = ((draft, draft.args if draft.tool == "adjust" else [""]) for draft in drafts)
    return {(draft.tool, draft.region, name) for draft, sliders in names for name in sliders}
