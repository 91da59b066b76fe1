"""Steps of reading for what only makes sense after a request: corrections, additions, "fix that", "less in the
foreground".

Each looks at the segments from `at` on and says how many it has read.
"""

from __future__ import annotations

from dataclasses import replace

from agent.planners.rules import edits, idioms
from agent.planners.rules.amounts import RELATIVE, SCALES
from agent.planners.rules.clause import REGIONAL, Clause, Draft, complete
from agent.planners.rules.corrections import corrected, taken_back
from agent.planners.rules.idioms import gathered
from agent.planners.rules.mending import mended, mends, placed
from agent.planners.rules.reader import Reader
from agent.planners.rules.segments import Segment
from agent.planners.rules.units import Unit, hoped, joined, opens
from agent.planners.rules.words import renamed


def correction(reader: Reader, at: int) -> int:
    """ "… to 4:3, no wait, 3:2"."""
    taking_back, rest = taken_back(reader.segments[at].words)
    following = at if rest else at + 1
    while following > at and following < len(reader.segments) and taken_back(reader.segments[following].words)[0]:
        more, rest = taken_back(reader.segments[following].words)
        taking_back = "yes" if "yes" in {more, taking_back} else taking_back
        following += not rest
        if rest:
            break
    last = reader.reading.units[-1] if reader.reading.units else None
    if not taking_back or last is None or following == len(reader.segments) or reader.segments[following].place:
        return 0
    first = reader.segments[following]
    run = [replace(first, words=rest or first.words), *reader.segments[following + 1 :]]
    found = corrected(last, run, reader.canvas, sure=taking_back == "yes")
    if found is None:
        if taking_back == "yes" and edits.read(run[0].words, reader.canvas):
            reader.reading.unread.append(first)
        return 0
    reader.reading.units[-1] = replace(last, drafts=found.drafts, segments=found.segments)
    return following - at + len(found.segments)


def also_removed(reader: Reader, at: int) -> int:
    """ "(Get the scooter out of there.) And the sign above the door as well."."""
    segment, last = reader.segments[at], reader.reading.units[-1] if reader.reading.units else None
    clause = Clause.of(segment.words)
    things = clause.all("thing")
    others = {item.kind for item in clause.items} - {"thing", "fill", "det", "conj", "too"}
    if last is None or last.tools != {"remove"} or segment.place or others or not things or hoped(segment.words):
        return 0
    if any(not thing.article or thing.prep or thing.whole or thing.vague or thing.abstract for thing in things):
        return 0
    reader.reading.units.append(
        Unit([Draft("remove", region=part) for thing in things for part in thing.parts], [segment])
    )
    return 1


_MILDER = {"softer", "gentler", "milder", "calmer", "quieter", "subtler", "less"}


def _milder(segment: Segment) -> bool:
    """ "(The colours are too loud.) Softer, please.": no blur is meant."""
    items = Clause.of(segment.words).items
    told = [segment.words[item.start].text for item in items if item.kind not in {"fill", "degree"}]
    return len(told) == 1 and told[0] in _MILDER


def mend(reader: Reader, at: int) -> int:
    """ "(The face is dark,) lift it by 10 %": the complaint is asked for, that much."""
    segment, units = reader.segments[at], reader.reading.units
    if units and units[-1].complaint and _milder(segment):
        units[-1] = replace(units[-1], drafts=[replace(draft, complaint=False) for draft in units[-1].drafts])
        return 1
    if segment.place or not units or not mends(segment.words, units[-1].drafts if units[-1].complaint else ()):
        return 0
    if not units[-1].complaint or (units[-1].tools & {"sharpen", "denoise"} and segment.words[0].text == "soften"):
        return int(Clause.of(gathered(segment.words)).has("fix"))
    requests = mended(units[-1].drafts, segment.words)
    if requests is None:
        return 0
    units[-1] = replace(units[-1], drafts=requests)
    return 1


def only_there(reader: Reader, at: int) -> int:
    """ "Sharpen the eyes, | and nothing but the eyes", "tint it towards green, | only the face"."""
    segment, units = reader.segments[at], reader.reading.units
    clause = Clause.of(segment.words)
    if not units or segment.place or not clause.has("only") or segment.joint not in {"and", "comma", "but"}:
        return 0
    clause.take_all("only", "fill")
    region = clause.region()
    last = units[-1].drafts[-1]
    if region is None or clause.items or last.tool not in REGIONAL or last.region not in {None, region}:
        return 0
    units[-1].drafts = placed(units[-1].drafts, region)
    return 1


def elliptic(reader: Reader, at: int) -> int:
    """ "More contrast in the sky and | less in the foreground", "the face by 0.2 and | the background by -0.2"."""
    segment = reader.segments[at]
    last = reader.reading.drafts[-1] if reader.reading.drafts else None
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
    reader.reading.units.append(Unit([draft], [segment]))
    return 1


def further_complaint(reader: Reader, at: int) -> int:
    """ "It is crooked | and dark"."""
    segment = reader.segments[at]
    if not reader.reading.units or segment.joint not in {"and", "comma"} or not reader.reading.units[-1].complaint:
        return 0
    drafts = edits.read([*renamed(segment.words[0], "it is"), *segment.words], reader.canvas)
    if drafts is None or not complete(drafts) or not all(draft.complaint for draft in drafts):
        return 0
    reader.reading.units.append(Unit(drafts, [segment]))
    return 1


def tone(reader: Reader, at: int) -> int:
    """ "Black and white, but keep it warm"."""
    wished = reader.segments[at].words[0].text in {"keep", "make"} and reader.reading.units
    return int(bool(wished) and reader.reading.units[-1].tools == {"monochrome"} and amend(reader, reader.segments[at]))


def but_more(reader: Reader, at: int) -> int:
    """ "… but a lot": may belong to what was asked before even where it could stand alone."""
    segment = reader.segments[at]
    return int(segment.joint == "but" and len(segment.words) > 1 and amend(reader, segment))


def afterthought(reader: Reader, at: int) -> int:
    return int(amend(reader, reader.segments[at]))


def amend(reader: Reader, segment: Segment) -> bool:
    """Read the segment together with the request before it; only black and white and words may be reworked so."""
    last = reader.reading.units[-1] if reader.reading.units else None
    if (
        last is None
        or segment.place
        or segment.joint == "then"
        or (opens(segment.words) and last.tools not in ({"monochrome"}, {"text"}))
    ):
        return False
    if last.tools == {"remove"} and hoped(segment.words):
        return False
    alone = edits.read(segment.words, reader.canvas)
    if alone is not None and complete(alone) and last.tools != {"monochrome"}:
        return False
    drafts = edits.read(joined([*last.segments, segment]), reader.canvas)
    if drafts is None or not complete(drafts) or len(drafts) < len(last.drafts):
        return False
    last.drafts, last.segments = drafts, [*last.segments, segment]
    return True
