"""A whole message → what it asks for: requests in their order, a command, restrictions, remarks set aside.

Every segment must be read as one of these; one that nothing explains stops everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agent.plan import Context
from agent.planners.rules import asides, commands, edits, idioms
from agent.planners.rules.amounts import RELATIVE, SCALES
from agent.planners.rules.asides import Ban
from agent.planners.rules.clause import REGIONAL, Clause, Draft, complete
from agent.planners.rules.corrections import corrected, taken_back
from agent.planners.rules.edits import Canvas
from agent.planners.rules.idioms import gathered
from agent.planners.rules.judgements import half_said, may_follow_remark
from agent.planners.rules.mending import mended, mends, placed, says_there
from agent.planners.rules.segments import Segment
from agent.planners.rules.statements import is_label
from agent.planners.rules.units import Unit, courteous, joined, opens, unit
from agent.planners.rules.words import Word, renamed


@dataclass
class Reading:
    """All that was understood; `unread` are the segments that were not, `vague` those without a word of substance.

    `headings`: what stood before a colon and was spelled out after it. `topic`: what was talked about last.
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
        return [draft for found in self.units for draft in found.drafts]

    @property
    def complete(self) -> bool:
        return not self.unread and not self.vague and complete(self.drafts)


def read(segments: Sequence[Segment], canvas: Canvas, context: Context) -> Reading:
    """Read the segments; what stands before a colon may be a heading that the rest spells out."""
    reading = _Reader(segments, canvas, context).run()
    colon = next((i for i, segment in enumerate(segments) if i and segment.joint == "colon"), None)
    if colon is None:
        return reading
    first = max((i for i in range(colon) if segments[i].joint in {"start", "sentence"}), default=0)
    heading = segments[first:colon]
    if any(_orders(segment) or asides.ban(segment.words) for segment in heading):
        return reading
    topic = next((draft.region for draft in edits.read(joined(heading), canvas) or () if draft.region), None)
    topic = topic or _named(heading)
    spelled = _Reader([*segments[:first], *segments[colon:]], canvas, context, Reading(topic=topic)).run()
    named = asides.tools_of(heading) - ({"adjust"} if topic and not reading.complete else set())
    covered = {draft.tool for draft in spelled.drafts} >= named or topic == "background"
    if not spelled.complete or not covered or (reading.complete and not _spells_out(spelled, heading, topic, canvas)):
        return reading
    for found in spelled.units:
        if topic and reading.complete:
            found.drafts = placed(found.drafts, topic)
        if topic:
            found.drafts = [_beside(draft, topic) for draft in found.drafts]
    spelled.headings += heading
    return spelled


def _named(heading: Sequence[Segment]) -> str | None:
    """The one thing that a heading names: "make the cat stand out more"."""
    things = [thing for segment in heading for thing in Clause.of(segment.words).all("thing")]
    named = [thing for thing in things if thing.article and not (thing.whole or thing.abstract or thing.vague or thing.inner)]
    return named[0].words if len(named) == len(things) == 1 and not named[0].prep else None


def _spells_out(spelled: Reading, heading: Sequence[Segment], topic: str | None, canvas: Canvas) -> bool:
    """Whether the rest says again, and closer, what the heading says: "fade it: less contrast, less colour"."""
    said = edits.read(joined(heading), canvas) or []
    if not said or any(draft.args.keys() & {"text", "color", "width", "degrees"} for draft in said):
        return False
    again = {name for draft in spelled.drafts for name in (draft.args if draft.tool == "adjust" else {draft.tool})}
    names = {name for draft in said for name in (draft.args if draft.tool == "adjust" else {draft.tool})}
    return bool(names & again) or (topic is not None and all(draft.tool == "adjust" for draft in said))


def _orders(segment: Segment) -> bool:
    return bool(
        segment.place or {"first", "last", "before", "after", "finally"} & {word.text for word in segment.words}
    )


@dataclass
class _Reader:
    """Goes through the segments once. Each step looks at the segments from `at` on, and says how many it has read."""

    segments: Sequence[Segment]
    canvas: Canvas
    context: Context
    reading: Reading = field(default_factory=Reading)

    def run(self) -> Reading:
        at = 0
        while at < len(self.segments):
            at += self._next(at)
        return self.reading

    def _next(self, at: int) -> int:
        steps = (
            self._correction, self._mend, self._courtesy, self._past, self._instead, self._lone_command, self._reason, self._tone, self._restriction,
            self._but_more, self._command, self._elliptic, self._edit, self._afterthought, self._further_complaint,
            self._remark, self._remark_and_edit, self._caption,
        )  # fmt: skip
        for step in steps:
            taken = step(at)
            if taken:
                return taken
        segment = self.segments[at]
        (self.reading.vague if half_said(segment) else self.reading.unread).append(segment)
        return 1

    # --- what asks for nothing ---

    def _correction(self, at: int) -> int:
        """ "… to 4:3, no wait, 3:2"."""
        taking_back, rest = taken_back(self.segments[at].words)
        following = at if rest else at + 1
        last = self.reading.units[-1] if self.reading.units else None
        if not taking_back or last is None or following == len(self.segments) or self.segments[following].place:
            return 0
        first = self.segments[following]
        run = [replace(first, words=rest or first.words), *self.segments[following + 1 :]]
        found = corrected(last, run, self.canvas, sure=taking_back == "yes")
        if found is None:
            if taking_back == "yes" and edits.read(run[0].words, self.canvas):
                self.reading.unread.append(first)
            return 0
        self.reading.units[-1] = replace(last, drafts=found.drafts, segments=found.segments)
        return following - at + len(found.segments)

    def _mend(self, at: int) -> int:
        """ "(The face is dark,) lift it by 10 %": the complaint is asked for, that much."""
        segment, units = self.segments[at], self.reading.units
        if segment.place or not units or not mends(segment.words):
            return 0
        if not units[-1].complaint:
            return int(Clause.of(gathered(segment.words)).has("fix"))
        requests = mended(units[-1].drafts, segment.words)
        if requests is None:
            return 0
        units[-1] = replace(units[-1], drafts=requests)
        return 1

    def _courtesy(self, at: int) -> int:
        words = self.segments[at].words
        if not courteous(words):
            return 0
        self.reading.greeted |= words[0].text in {"hi", "hello", "hey", "good", "hiya"}
        return 1

    def _past(self, at: int) -> int:
        """ "Before it lost its colours" speaks of the history, and not of an order."""
        segment = self.segments[at]
        if segment.place not in {"before next", "after next"}:
            return 0
        alone = at == len(self.segments) - 1 and not self.reading.units
        if segment.words[0].text not in {"it", "i", "we", "they"} and not (alone and self.reading.remarks):
            return 0
        self.reading.unread.append(segment)
        return 1

    def _reason(self, at: int) -> int:
        """ "… because my camera is old"; unless a request hides in it."""
        segment = self.segments[at]
        if segment.joint != "reason" or not asides.is_remark(segment.words, reason=True):
            return 0
        if edits.read(segment.words, self.canvas) is not None or self._split_remark(segment):
            return 0
        self.reading.remarks.append(segment)
        return 1

    def _remark(self, at: int) -> int:
        """A remark, and what "with" adds to it."""
        if not asides.is_remark(self.segments[at].words):
            return 0
        stop = at + 1
        while (
            stop < len(self.segments)
            and self.segments[stop].joint == "with"
            and not asides.tools_of(self.segments[stop : stop + 1])
        ):
            stop += 1
        self.reading.topic = asides.topic(self.segments[at].words) or self.reading.topic
        self.reading.remarks += self.segments[at:stop]
        return stop - at

    def _remark_and_edit(self, at: int) -> int:
        """A remark with a request right behind it: "my lens was dirty please remove the spot"."""
        found = self._split_remark(self.segments[at])
        if found is None:
            return 0
        remark, request = found
        self.reading.remarks.append(remark)
        self.reading.units.append(request)
        return 1

    def _split_remark(self, segment: Segment) -> tuple[Segment, Unit] | None:
        words = segment.words
        for cut in range(3, len(words)):
            if not may_follow_remark(words, cut) or not asides.is_remark(words[:cut], segment.joint == "reason"):
                continue
            drafts = edits.read(words[cut:], self.canvas)
            if drafts and complete(drafts):
                return replace(segment, words=words[:cut]), Unit(drafts, [replace(segment, words=words[cut:])])
        return None

    def _caption(self, at: int) -> int:
        """ "Product shot", "my holiday photo": says what the picture is."""
        segment = self.segments[at]
        items = [item for item in Clause.of(segment.words).items if item.kind not in {"fill", "det"}]
        named = len(items) == 1 and items[0].kind == "thing" and items[0].value.whole and items[0].value.words
        if len(self.segments) == 1 or segment.joint not in {"start", "sentence", "comma", "colon"}:
            return 0
        iso = any(word.text == "iso" for word in segment.words)
        if not named and not ((segment.joint in {"start", "sentence"} or iso) and is_label(segment.words)):
            return 0
        self.reading.remarks.append(segment)
        return 1

    # --- what restricts ---

    def _instead(self, at: int) -> int:
        """ "Instead of black and white": names what is replaced; a thing cannot be."""
        segment = self.segments[at]
        if segment.words[0].text != "instead":
            return 0
        words, request = self._request_at_end(segment.words)
        self.reading.instead_of = " ".join(word.text for word in words[1:] if word.text != "of")
        if self.reading.units and _of_its_kind(words):
            self.reading.instead_of = None
        elif self.reading.instead_of and not asides.tools_of([replace(segment, words=words)]):
            self.reading.unread.append(segment)
        elif request:
            self.reading.units.append(Unit(request, [replace(segment, words=segment.words[len(words) :])]))
        return 1

    def _request_at_end(self, words: Sequence[Word]) -> tuple[tuple[Word, ...], list[Draft]]:
        """ "Instead of the vignette | put a white border"."""
        for cut in range(3, len(words) - 1):
            drafts = edits.read(words[cut:], self.canvas) if opens(words[cut:]) else None
            if drafts and complete(drafts):
                return tuple(words[:cut]), drafts
        return tuple(words), []

    def _restriction(self, at: int) -> int:
        segment, reading = self.segments[at], self.reading
        ban = asides.ban(segment.words) or self._but_that(segment)
        if ban is None or (
            segment.words[0].text in {"no", "without", "not"} and edits.read(segment.words, self.canvas)
        ):
            return 0
        self._note_instead(self.segments)
        if at == len(self.segments) - 1 and not reading.units and not reading.said and asides.is_lacking(segment.text):
            reading.vague.clear()
            reading.units.append(Unit([Draft("remove", region=ban.region)], [segment]))
        else:
            reading.bans.append(ban)
        return 1

    def _but_that(self, segment: Segment) -> Ban | None:
        """ "Everything in black and white, but the flower"."""
        said = {word.text for found in self.reading.units for word in found.words}
        if segment.joint != "but" or not said & {"everything", "all", "whole"}:
            return None
        return asides.excepted(segment.text)

    def _note_instead(self, segments: Sequence[Segment]) -> None:
        if any(word.text == "instead" for segment in segments for word in segment.words):
            self.reading.instead_of = self.reading.instead_of or ""

    # --- commands ---

    def _lone_command(self, at: int) -> int:
        """ "No vignette" alone takes it back, if there is one."""
        return self._command(at) if len(self.segments) == 1 else 0

    def _command(self, at: int) -> int:
        """A command of one segment, or of a few that "and" has parted ("show the cat and the dog side by side")."""
        if not all(found.complaint for found in self.reading.units):
            return 0
        for stop in range(min(at + 3, len(self.segments)), at, -1):
            run = self.segments[at:stop]
            if any(segment.joint in {"sentence", "then", "but"} or segment.place for segment in run[1:]):
                continue
            said = commands.read(commands.stripped(joined(run)), self.context)
            if said is not None and self.reading.said is not None:
                return len(run) if _lead_to_the_same(said, self.reading.said) else 0
            if said is not None:
                self.reading.said = said
                self.reading.remarks += [complained for found in self.reading.units for complained in found.segments]
                self.reading.units.clear()
                return len(run)
        return 0

    # --- requests ---

    def _edit(self, at: int) -> int:
        segment, reading = self.segments[at], self.reading
        found = self._coordinated(segment) or unit(self.segments, at, self.canvas) or self._recolored(segment)
        if found is None or self._belongs_to_removal(segment, found) or self._only_describes(segment, found):
            return 0
        if not complete(found.drafts) and self._amend(segment):
            return 1
        if reading.units and asides.is_remark(segment.words) and _repeats(found, reading.drafts):
            reading.remarks += found.segments
            return len(found.segments)
        if reading.topic and all(draft.refers for draft in found.drafts):
            found.drafts = [_on(draft, reading.topic) for draft in found.drafts]
        found = self._in_a_mood(at, found)
        where = self._where_was() if says_there(found.words) else None
        self._note_instead(found.segments)
        reading.units.append(replace(found, drafts=placed(found.drafts, where)) if where else found)
        return len(found.segments)

    def _in_a_mood(self, at: int, found: Unit) -> Unit:
        """ "Super dark | and moody": beside a mood a look is asked for, and not complained of."""
        following = self.segments[at + 1 : at + 2]
        if not found.complaint or not following or following[0].joint not in {"and", "comma"}:
            return found
        mood = Clause.of(following[0].words)
        stated = Clause.of(found.words).has("be", "too", "enough", "not")
        if stated or mood.unexplained() or not mood.has("mood") or mood.has("head"):
            return found
        drafts = edits.read([*renamed(found.words[0], "make it"), *found.words], self.canvas)
        return replace(found, drafts=drafts) if drafts and complete(drafts) else found

    def _where_was(self) -> str | None:
        """The part of the picture that was spoken of last."""
        regions = [draft.region for draft in self.reading.drafts if draft.region]
        return self.reading.topic or (regions[-1] if regions else None)

    def _coordinated(self, segment: Segment) -> Unit | None:
        """ "Make it sharper | and a bit dark": after a request it is asked for, and not complained of."""
        last = self.reading.units[-1] if self.reading.units else None
        if (
            last is None
            or segment.joint not in {"and", "comma", "but"}
            or any(draft.complaint for draft in last.drafts)
        ):
            return None
        clause = Clause.of(segment.words)
        bare = clause.tools() == {"adjust"} and all(head.form == "adjective" for head in clause.heads())
        if not bare or clause.has("be", "too", "make", "not", "thing"):
            return None
        drafts = edits.read([*renamed(segment.words[0], "make it"), *segment.words], self.canvas)
        return Unit([replace(draft, refers=False) for draft in drafts], [segment]) if drafts else None

    def _recolored(self, segment: Segment) -> Unit | None:
        """ "Make it white", where "it" is the background that was just talked about."""
        clause = Clause.of(segment.words)
        colors = clause.take_all("color")
        if self.reading.topic != "background" or len(colors) != 1 or clause.unexplained() or not clause.has("whole"):
            return None
        return Unit([Draft("replace_background", {"color": colors[0]})], [segment])

    def _only_describes(self, segment: Segment, found: Unit) -> bool:
        """ "The picture with the white border" asks for no border."""
        definite = segment.joint == "with" and segment.words[0].text in {"the", "that", "my"}
        return definite and not self.reading.units and found.tools <= {"border", "vignette", "text"}

    def _belongs_to_removal(self, segment: Segment, found: Unit) -> bool:
        """ "Remove the stains and yellow borders", "the card with "X" on it": no border and no words are wanted."""
        if not self.reading.units or self.reading.units[-1].tools != {"remove"} or segment.joint not in {"and", "with"}:
            return False
        clause = Clause.of(segment.words)
        asked = clause.has("make", "add", "insert", "direction", "fix", "should", "degree", "change")
        asked |= found.tools != {"border"} and any(head.form in {"verb", "comparative"} for head in clause.heads())
        return segment.joint == "with" or not asked

    def _elliptic(self, at: int) -> int:
        """ "More contrast in the sky and | less in the foreground", "the face by 0.2 and | the background by -0.2"."""
        segment = self.segments[at]
        last = self.reading.drafts[-1] if self.reading.drafts else None
        if last is None or last.tool != "adjust" or segment.joint not in {"and", "but", "comma"}:
            return 0
        clause = idioms.settled(Clause.of(segment.words))
        direction, quantity, degree = clause.direction(), clause.quantity(*RELATIVE), clause.degree()
        region = clause.region()
        if region is None or clause.unexplained() or clause.has("head") or not (direction or quantity):
            return 0
        size = SCALES["adjust"][degree or ""] if quantity is None else abs(quantity.share)
        if quantity is not None and quantity.signed:
            direction = 1 if quantity.value > 0 else -1
        sign = direction or (1 if all(value > 0 for value in last.args.values()) else -1)
        draft = Draft("adjust", dict.fromkeys(last.args, sign * size), region)
        self.reading.units.append(Unit([draft], [segment]))
        return 1

    def _further_complaint(self, at: int) -> int:
        """ "It is crooked | and dark"."""
        segment = self.segments[at]
        if not self.reading.units or segment.joint not in {"and", "comma"} or not self.reading.units[-1].complaint:
            return 0
        drafts = edits.read([*renamed(segment.words[0], "it is"), *segment.words], self.canvas)
        if drafts is None or not complete(drafts) or not all(draft.complaint for draft in drafts):
            return 0
        self.reading.units.append(Unit(drafts, [segment]))
        return 1

    # --- afterthoughts ---

    def _tone(self, at: int) -> int:
        """ "Black and white, but keep it warm"."""
        wished = self.segments[at].words[0].text in {"keep", "make"} and self.reading.units
        return int(bool(wished) and self.reading.units[-1].tools == {"monochrome"} and self._amend(self.segments[at]))

    def _but_more(self, at: int) -> int:
        """ "… but a lot": may belong to what was asked before even where it could stand alone."""
        segment = self.segments[at]
        return int(segment.joint == "but" and len(segment.words) > 1 and self._amend(segment))

    def _afterthought(self, at: int) -> int:
        return int(self._amend(self.segments[at]))

    def _amend(self, segment: Segment) -> bool:
        """Read the segment together with the request before it; only black and white and words may be reworked so."""
        last = self.reading.units[-1] if self.reading.units else None
        if (
            last is None
            or segment.place
            or segment.joint == "then"
            or (opens(segment.words) and last.tools not in ({"monochrome"}, {"text"}))
        ):
            return False
        alone = edits.read(segment.words, self.canvas)
        if alone is not None and complete(alone) and last.tools != {"monochrome"}:
            return False
        drafts = edits.read(joined([*last.segments, segment]), self.canvas)
        if drafts is None or not complete(drafts) or len(drafts) < len(last.drafts):
            return False
        last.drafts, last.segments = drafts, [*last.segments, segment]
        return True


def _lead_to_the_same(one: commands.Said, other: commands.Said) -> bool:
    """ "Scrap everything and go back to the original"."""
    if one.ask or other.ask:
        return False
    return one.command == other.command or {one.command.name, other.command.name} == {"reset"}


def _repeats(found: Unit, asked: Sequence[Draft]) -> bool:
    """Whether a statement only gives the reason of what was asked for before it."""
    return all(
        any(one.tool == draft.tool and (draft.tool != "adjust" or set(draft.args) & set(one.args)) for one in asked)
        for draft in found.drafts
    )


def _of_its_kind(words: Sequence[Word]) -> bool:
    """ "(A black border) instead of the white one"."""
    items = {item.kind for item in Clause.of(words[1:]).items}
    return words[-1].text in {"one", "ones"} and not items - {"prep", "det", "color", "vague", "degree", "adjective", "thing"}


def _beside(draft: Draft, topic: str) -> Draft:
    """ "Everything else" is all but what was talked about."""
    return replace(draft, region=f"everything but the {topic}") if draft.region == "rest" else draft


def _on(draft: Draft, region: str) -> Draft:
    """ "It" is what was just talked about."""
    if draft.tool in {"remove", "crop"} and draft.need is not None:
        return replace(draft, region=region, need=None)
    if draft.tool in REGIONAL and draft.region is None:
        return replace(draft, region=region)
    return draft
