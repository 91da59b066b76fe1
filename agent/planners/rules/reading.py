"""A whole message → what it asks for: drafts of steps in their order, a command, restrictions, remarks set aside.

Segments are read alone where they can be, otherwise together with the next ones ("the dog and | the cat brighter") or as
an afterthought to the one before ("more contrast, | a lot"). A segment that nothing explains stops everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agent.plan import Context
from agent.planners.rules import asides, commands, edits
from agent.planners.rules.amounts import RELATIVE, SCALES
from agent.planners.rules.asides import REST, Ban
from agent.planners.rules.clause import Clause, Draft
from agent.planners.rules.edits import Canvas
from agent.planners.rules.lexicon import lexicon
from agent.planners.rules.segments import Segment
from agent.planners.rules.words import Word, renamed

REGIONAL = {"adjust", "monochrome", "blur", "sharpen", "denoise", "auto"}
_FURTHEST = 5


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


@dataclass
class Reading:
    """All that was understood; `unread` are the segments that were not, `vague` those without a word of substance.

    `instead_of`: the words after "instead of", "" for a bare "instead", None where nothing is replaced.
    """

    units: list[Unit] = field(default_factory=list)
    bans: list[Ban] = field(default_factory=list)
    remarks: list[Segment] = field(default_factory=list)
    headings: list[Segment] = field(default_factory=list)
    unread: list[Segment] = field(default_factory=list)
    vague: list[Segment] = field(default_factory=list)
    said: commands.Said | None = None
    topic: str | None = None
    greeted: bool = False
    instead_of: str | None = None

    @property
    def drafts(self) -> list[Draft]:
        return [draft for unit in self.units for draft in unit.drafts]

    @property
    def complete(self) -> bool:
        return not self.unread and not self.vague and all(draft.need is None for draft in self.drafts)


def read(segments: Sequence[Segment], canvas: Canvas, context: Context) -> Reading:
    """Read the segments; what stands before a colon may be a heading that the rest spells out."""
    reading = _read(segments, canvas, context)
    colon = next((i for i, segment in enumerate(segments) if i and segment.joint == "colon"), None)
    if reading.complete or colon is None:
        return reading
    first = max((i for i in range(colon) if segments[i].joint in {"start", "sentence"}), default=0)
    heading = segments[first:colon]
    ordering = any({"first", "last", "before", "after", "finally"} & {word.text for word in s.words} or s.place for s in heading)
    if ordering or any(asides.ban(segment.words) for segment in heading):
        return reading
    named = _named(heading, canvas)
    spelled = _read([*segments[:first], *segments[colon:]], canvas, context, named)
    covered = {draft.tool for draft in spelled.drafts} >= asides.tools_of(heading) or (named and named in {"background"})
    if not spelled.complete or not covered:
        return reading
    spelled.headings += heading
    return spelled


def _named(heading: Sequence[Segment], canvas: Canvas) -> str | None:
    """The region that a heading is about."""
    drafts = edits.read(joined(heading), canvas) or []
    return next((draft.region for draft in drafts if draft.region), None)


def _read(segments: Sequence[Segment], canvas: Canvas, context: Context, topic: str | None = None) -> Reading:
    reading = Reading(topic=topic)
    at = 0
    while at < len(segments):
        at += _one(segments, at, reading, canvas, context)
    return reading


def _one(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    """Read what begins at `at` into `reading`; how many segments that took."""
    segment = segments[at]
    if courteous(segment.words):
        reading.greeted |= segment.words[0].text in {"hi", "hello", "hey", "good", "hiya"}
        return 1
    if segment.place in {"before next", "after next"} and segment.words[0].text in {"it", "i", "we", "they"}:
        reading.unread.append(segment)
        return 1
    if segment.words[0].text == "instead":
        reading.instead_of = " ".join(word.text for word in segment.words[1:] if word.text != "of")
        if reading.instead_of and not asides.tools_of([segment]):
            reading.unread.append(segment)
        return 1
    for step in (_lone_command, _reason, _toned, _restriction, _afterthought, _command, _elliptic, _edit, _late_afterthought, _further_complaint, _remark, _remark_and_edit):
        taken = step(segments, at, reading, canvas, context)
        if taken:
            return taken
    if _names_picture(segment) and len(segments) > 1 and segment.joint in {"start", "sentence", "comma", "colon"}:
        reading.remarks.append(segment)
    else:
        (reading.vague if _half_said(segment) else reading.unread).append(segment)
    return 1


def _names_picture(segment: Segment) -> bool:
    """ "Product shot", "my holiday photo": says what the picture is."""
    items = Clause.of(segment.words).items
    things = [item for item in items if item.kind not in {"fill", "det"}]
    return len(things) == 1 and things[0].kind == "thing" and bool(things[0].value.whole and things[0].value.words)


_SUBSTANCE = {"degree", "quantity", "direction", "thing", "place", "color", "head", "turn", "axis", "dim", "ratio", "adjective", "noun", "size", "rest", "vague", "fix", "change"}


def _half_said(segment: Segment) -> bool:
    """Known words only, but no request: "change it", "the background", "20 %"."""
    clause = edits.settled(Clause.of(segment.words))
    left = clause.unexplained()
    bare = not clause.has("make", "add", "be") and len(left) <= 2 and all(item.kind in _SUBSTANCE for item in left)
    bare = bare and len(segment.words) <= 4
    return not left or (bare and not any(item.kind == "thing" and (item.value.abstract or not item.value.known) for item in left))


def courteous(words: Sequence[Word]) -> bool:
    """Nothing but courtesy; "no" alone only says that something else comes now."""
    items = Clause.of(words).items
    return all(item.kind == "fill" or (item.kind == "not" and item.value == "no") for item in items)


def _reason(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    segment = segments[at]
    if segment.joint != "reason" or not asides.is_remark(segment.words, reason=True):
        return 0
    trial = Reading()
    if edits.read(segment.words, canvas) is not None or _remark_and_edit(segments, at, trial, canvas, context):
        return 0
    reading.remarks.append(segment)
    return 1


def _lone_command(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    """ "No vignette" alone takes it back, if there is one."""
    return _command(segments, at, reading, canvas, context) if len(segments) == 1 else 0


def _restriction(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    ban = asides.ban(segments[at].words) or _but(segments, at, reading)
    if ban is None or (segments[at].words[0].text in {"no", "without", "not"} and edits.read(segments[at].words, canvas)):
        return 0
    if any(word.text == "instead" for segment in segments for word in segment.words):
        reading.instead_of = reading.instead_of or ""
    if at == len(segments) - 1 and not reading.units and not reading.said and asides.lacking(segments[at].text):
        reading.vague.clear()
        reading.units.append(Unit([Draft("remove", region=ban.region)], segments[at : at + 1]))
        return 1
    reading.bans.append(ban)
    return 1


def _but(segments: Sequence[Segment], at: int, reading: Reading) -> Ban | None:
    """ "Everything in black and white, but the flower"."""
    said = {word.text for unit in reading.units for segment in unit.segments for word in segment.words}
    if segments[at].joint != "but" or not said & {"everything", "all", "whole"}:
        return None
    return asides.excepted(segments[at].text)


def _elliptic(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    """ "More contrast in the sky and | less in the foreground", "the face by 0.2 and | the background by -0.2"."""
    last = reading.drafts[-1] if reading.drafts else None
    if last is None or last.tool != "adjust" or segments[at].joint not in {"and", "but", "comma"}:
        return 0
    clause = edits.settled(Clause.of(segments[at].words))
    direction, quantity, degree = clause.direction(), clause.quantity(*RELATIVE), clause.degree()
    region = clause.region()
    if region is None or clause.unexplained() or clause.has("head") or not (direction or quantity):
        return 0
    size = SCALES["adjust"][degree or ""] if quantity is None else abs(quantity.share)
    sign = direction or (-1 if quantity and quantity.value < 0 else 1)
    before = 1 if all(value > 0 for value in last.args.values()) else -1
    sign = sign if direction or (quantity and quantity.signed) else before
    reading.units.append(Unit([Draft("adjust", {name: sign * size for name in last.args}, region)], segments[at : at + 1]))
    return 1


def _edit(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    unit = _unit(segments, at, canvas) or _recolored(segments[at], reading)
    if unit is None or _belongs_to_removal(segments[at], unit, reading):
        return 0
    if any(draft.need for draft in unit.drafts) and _amend(reading, segments[at], canvas):
        return 1
    if reading.units and asides.is_remark(segments[at].words) and _repeats(unit, reading):
        reading.remarks += unit.segments
        return len(unit.segments)
    if reading.topic and all(draft.refers for draft in unit.drafts):
        unit.drafts = [_on(draft, reading.topic) for draft in unit.drafts]
    if any(word.text == "instead" for segment in unit.segments for word in segment.words):
        reading.instead_of = reading.instead_of or ""
    reading.units.append(unit)
    return len(unit.segments)


def _belongs_to_removal(segment: Segment, unit: Unit, reading: Reading) -> bool:
    """ "Remove the stains and yellow borders", "the card with "X" on it": no border and no words are wanted."""
    if not reading.units or reading.units[-1].tools != {"remove"} or segment.joint not in {"and", "with"}:
        return False
    if segment.joint == "with":
        return True
    verbs = {"make", "add", "insert", "direction", "fix", "should", "degree", "change"}
    items = Clause.of(segment.words).items
    return not any(item.kind in verbs or (item.kind == "head" and item.value.form in {"verb", "comparative"} and unit.tools != {"border"}) for item in items)


def _repeats(unit: Unit, reading: Reading) -> bool:
    """Whether a statement only gives the reason of what was asked for before it."""
    asked = reading.drafts
    return all(
        any(one.tool == draft.tool and (draft.tool != "adjust" or set(draft.args) & set(one.args)) for one in asked)
        for draft in unit.drafts
    )


def _recolored(segment: Segment, reading: Reading) -> Unit | None:
    """ "Make it white", where "it" is the background that was just talked about."""
    clause = Clause.of(segment.words)
    colors = clause.take_all("color")
    if reading.topic != "background" or len(colors) != 1 or clause.unexplained() or not clause.has("whole"):
        return None
    return Unit([Draft("replace_background", {"color": colors[0]})], [segment])


def _remark(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    """A remark, and what "with" adds to it."""
    if not asides.is_remark(segments[at].words):
        return 0
    stop = at + 1
    while stop < len(segments) and segments[stop].joint == "with" and not asides.tools_of(segments[stop : stop + 1]):
        stop += 1
    reading.topic = asides.topic(segments[at].words) or reading.topic
    reading.remarks += segments[at:stop]
    return stop - at


def _on(draft: Draft, region: str) -> Draft:
    """ "It" is what was just talked about."""
    if draft.tool in {"remove", "crop"} and draft.need is not None:
        return replace(draft, region=region, need=None)
    if draft.tool in REGIONAL and draft.region is None:
        return replace(draft, region=region)
    return draft


# --- segments together ------------------------------------------------------------------------------------------------


def joined(segments: Sequence[Segment]) -> list[Word]:
    """The words of several segments, with "and" or "with" between them as it was said."""
    words: list[Word] = list(segments[0].words)
    for segment in segments[1:]:
        link = {"and": "and", "comma": "and", "with": "with"}.get(segment.joint)
        if link:
            words.append(Word(link, "word", segment.words[0].start, segment.words[0].start))
        words += segment.words
    return words


def _unit(segments: Sequence[Segment], at: int, canvas: Canvas) -> Unit | None:
    """The shortest run of segments that is understood, and the afterthoughts that belong to it."""
    lacking: Unit | None = None
    for stop in range(at + 1, min(at + _FURTHEST, len(segments)) + 1):
        run = segments[at:stop]
        if stop > at + 1 and (run[-1].place or run[-1].joint == "then" or asides.ban(run[-1].words)):
            break
        if run[-1].joint == "reason" and not (lacking and lacking.tools <= {"flip", "resize"}):
            break
        asked = any(_opens(segment.words) for segment in run[:-1])
        if asked and _opens(run[-1].words) and edits.read(run[-1].words, canvas) is not None:
            break
        drafts = read_words(joined(run), canvas)
        if drafts is None:
            continue
        if all(draft.need is None for draft in drafts):
            return _extended(segments, at, stop, Unit(drafts, run), canvas)
        lacking = lacking or Unit(drafts, run)
    return lacking


def _opens(words: Sequence[Word]) -> bool:
    """Whether the words begin a request of their own: with a verb that asks for something."""
    kinds = [item for item in Clause.of(words).items if item.kind not in {"fill", "det"}]
    first = kinds[0] if kinds else None
    return first is not None and (
        first.kind in {"make", "add", "insert", "direction", "fix", "change"} or (first.kind == "head" and first.value.form == "verb")
    )


def _extended(segments: Sequence[Segment], at: int, stop: int, unit: Unit, canvas: Canvas) -> Unit:
    """ "… , a lot more", "… and nose": what says nothing alone but something after the unit."""
    while stop < len(segments):
        if courteous(segments[stop].words) and stop + 1 < len(segments) and segments[stop + 1].joint != "sentence":
            stop += 1
        if not (_fragment(segments[stop], unit, canvas) or _toning(unit, segments[stop])):
            break
        drafts = edits.read(joined(segments[at : stop + 1]), canvas)
        if drafts is None or any(draft.need for draft in drafts):
            break
        stop += 1
        unit = Unit(drafts, segments[at:stop])
    return unit


def _toning(unit: Unit, segment: Segment) -> bool:
    """ "Black and white with a cool tone"."""
    toned = segment.joint in {"with", "but"} and Clause.of(segment.words).tools() == {"adjust"}
    return unit.tools == {"monochrome"} and toned and segment.words[0].text != "instead"


def _more_nouns(segment: Segment, unit: Unit) -> bool:
    """ "Increase brightness | and saturation a little": the second noun shares the verb, and the first the degree."""
    said, more = Clause.of([word for s in unit.segments for word in s.words]), Clause.of(segment.words)
    nouns = [head for head in more.heads() if head.form == "noun"]
    shared = said.has("direction") and not said.has("degree", "quantity") and not more.has("direction", "make", "add", "quantity")
    return bool(nouns) and len(nouns) == len(more.heads()) and shared and segment.joint in {"and", "comma"}


def _fragment(segment: Segment, unit: Unit, canvas: Canvas) -> bool:
    inserting = _opens(segment.words) and Clause.of(segment.words).has("add", "insert")
    if segment.place or segment.joint in {"then", "reason"} or segment.words[0].text == "instead" or inserting or courteous(segment.words) or asides.ban(segment.words):
        return False
    if _more_nouns(segment, unit):
        return True
    drafts = read_words(segment.words, canvas)
    bare_shape = not Clause.of(segment.words).has("head", "make", "add")
    return drafts is None or any(draft.need or not draft.tool or (draft.tool == "crop" and bare_shape) for draft in drafts)


def read_words(words: Sequence[Word], canvas: Canvas) -> list[Draft] | None:
    """A clause; or two clauses with nothing between them; or a clause and what it is for."""
    drafts = edits.read(words, canvas)
    if drafts is not None and all(draft.need is None for draft in drafts):
        return drafts
    return _without_purpose(words, canvas) or _two(words, canvas) or drafts


def _two(words: Sequence[Word], canvas: Canvas) -> list[Draft] | None:
    """ "Crop it square make it black and white": both sides must be complete."""
    cuts = [cut for cut in range(2, len(words) - 1) if _may_begin(words, cut)]
    for cut in sorted(cuts, key=lambda cut: not _opens(words[cut:])):
        first = edits.read(words[:cut], canvas)
        if not first or any(draft.need for draft in first):
            continue
        second = edits.read(words[cut:], canvas)
        if not second or any(draft.need for draft in second):
            continue
        if all(draft.complaint for draft in first) or not _sliders(first) & _sliders(second):
            return [*first, *second]
    return None


_BOUND = {"and", "the", "a", "an", "more", "less", "with", "not", "very", "too", "my", "her", "his", "to", "of", "in", "on", "as"}


def _may_begin(words: Sequence[Word], at: int) -> bool:
    """Whether a new request may begin here: with a verb, a comparative, a direction, a degree, a look or a ratio."""
    if words[at - 1].text in _BOUND:
        return False
    entry = lexicon().longest([word.text for word in words[at:]])
    if entry is None:
        return words[at].kind in {"ratio", "size", "number"}
    if entry.kind == "head":
        return entry.value.form in {"verb", "comparative"} or entry.value.tool == "monochrome"
    return entry.kind in {"make", "add", "change", "direction", "degree", "shape"} or (entry.kind == "fill" and entry.words[0] != "to")


def _sliders(drafts: Sequence[Draft]) -> set[tuple[str, str]]:
    """Tools, and of adjust its sliders: what two clauses in a row may not both ask for."""
    return {(draft.tool, f"{draft.region}{name}") for draft in drafts for name in (draft.args if draft.tool == "adjust" else [""])}


_PURPOSES = {"for", "like", "to", "as"}


def _without_purpose(words: Sequence[Word], canvas: Canvas) -> list[Draft] | None:
    """ "… for my shop", "… to match the other one": what it is for changes nothing."""
    for at in range(len(words) - 1, 0, -1):
        if words[at].text in _PURPOSES and asides.is_purpose(words[at:]):
            drafts = edits.read(words[:at], canvas)
            if drafts and all(draft.need is None for draft in drafts):
                return drafts
    return None


# --- afterthoughts and commands ---------------------------------------------------------------------------------------


def _toned(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    """ "Black and white, but keep it warm"."""
    segment = segments[at]
    wished = segment.words[0].text in {"keep", "make"} and reading.units and reading.units[-1].tools == {"monochrome"}
    return int(bool(wished) and _amend(reading, segment, canvas))


def _further_complaint(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    """ "It is crooked | and dark"."""
    segment = segments[at]
    if not reading.units or segment.joint not in {"and", "comma"} or not all(d.complaint for d in reading.units[-1].drafts):
        return 0
    first = segment.words[0]
    drafts = edits.read([*renamed(first, "it is"), *segment.words], canvas)
    if drafts is None or not all(draft.complaint and draft.need is None for draft in drafts):
        return 0
    reading.units.append(Unit(drafts, [segment]))
    return 1


def _remark_and_edit(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    """A remark with a request right behind it: "my lens was dirty please remove the spot"."""
    words = segments[at].words
    for cut in range(3, len(words)):
        entry = lexicon().longest([word.text for word in words[cut:]])
        opens = entry is not None and (entry.kind in {"make", "fill", "add"} or (entry.kind == "head" and entry.value.form == "verb"))
        if not (opens or words[cut].text == "it") or not asides.is_remark(words[:cut], segments[at].joint == "reason"):
            continue
        drafts = edits.read(words[cut:], canvas)
        if drafts and all(draft.need is None for draft in drafts):
            reading.remarks.append(replace(segments[at], words=words[:cut]))
            reading.units.append(Unit(drafts, [replace(segments[at], words=words[cut:])]))
            return 1
    return 0


def _afterthought(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    """ "… but keep it warm": may belong to what was asked before even where it could stand alone."""
    segment = segments[at]
    return int(segment.joint == "but" and len(segment.words) > 1 and _amend(reading, segment, canvas))


def _late_afterthought(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    return int(_amend(reading, segments[at], canvas))


def _amend(reading: Reading, segment: Segment, canvas: Canvas) -> bool:
    """Read the segment together with the unit before it; only a black and white may change its tone that way."""
    if not reading.units or segment.place:
        return False
    last = reading.units[-1]
    if _opens(segment.words) and last.tools not in ({"monochrome"}, {"text"}):
        return False
    alone = edits.read(segment.words, canvas)
    if alone is not None and all(draft.need is None for draft in alone) and last.tools != {"monochrome"}:
        return False
    drafts = edits.read(joined([*last.segments, segment]), canvas)
    if drafts is None or any(draft.need for draft in drafts) or len(drafts) < len(last.drafts):
        return False
    last.drafts, last.segments = drafts, [*last.segments, segment]
    return True


def _command(segments: Sequence[Segment], at: int, reading: Reading, canvas: Canvas, context: Context) -> int:
    """A command of one segment, or of a few that "and" has parted ("show the cat and the dog side by side")."""
    if reading.units or reading.said is not None:
        return 0
    for stop in range(min(at + 3, len(segments)), at, -1):
        run = segments[at:stop]
        if any(segment.joint in {"sentence", "then", "but"} or segment.place for segment in run[1:]):
            continue
        said = commands.read(commands.stripped(joined(run)), context)
        if said is not None:
            reading.said = said
            return len(run)
    return 0


# --- what follows from it all -----------------------------------------------------------------------------------------


def restricted(drafts: Sequence[Draft], bans: Sequence[Ban]) -> list[Draft] | None:
    """The drafts with what must be left alone excluded; None where that contradicts them."""
    out = list(drafts)
    for ban in bans:
        if ban.tools:
            if any(_forbidden(draft, ban) for draft in out):
                return None
            continue
        if ban.region == REST:
            if any(draft.region is None and draft.tool in REGIONAL for draft in out):
                return None
            continue
        free = [draft for draft in out if draft.tool in REGIONAL]
        if not free or any(draft.region == ban.region for draft in free):
            return None
        out = [_spared(draft, str(ban.region)) for draft in out]
    return out


def _forbidden(draft: Draft, ban: Ban) -> bool:
    if draft.tool not in ban.tools or (ban.region is not None and draft.region != ban.region):
        return False
    if draft.tool != "adjust":
        return True
    return any((name, 1 if value > 0 else -1) in ban.arguments for name, value in draft.args.items())


def _spared(draft: Draft, region: str) -> Draft:
    if draft.tool not in REGIONAL or (draft.region is not None and draft.region != REST):
        return draft
    return replace(draft, region=f"everything but the {region}")
