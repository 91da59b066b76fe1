"""Steps of reading for what must not be done, what is replaced, and commands of the history.

Each looks at the segments from `at` on and says how many it has read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agent.plan import AFTER_STEPS
from agent.planners.rules import antecedents, asides, commands, edits, references
from agent.planners.rules.asides import Ban
from agent.planners.rules.clause import Clause, Draft, complete
from agent.planners.rules.patterns import match, matches
from agent.planners.rules.reader import Reader
from agent.planners.rules.segments import Segment
from agent.planners.rules.units import Unit, joined, opens
from agent.planners.rules.words import Word


def instead(reader: Reader, at: int) -> int:
    """ "Instead of black and white": names what is replaced; a thing cannot be."""
    segment = reader.segments[at]
    if segment.words[0].text != "instead":
        return 0
    words, request = _request_at_end(reader, segment.words)
    reader.reading.instead_of = " ".join(word.text for word in words[1:] if word.text != "of")
    doing = len(words) > 2 and words[1].text == "of" and words[2].text.endswith("ing")
    if reader.reading.units and doing and not references.described(reader.reading.instead_of, reader.context):
        reader.reading.instead_of = None
        return 1
    behind = bool(reader.reading.units) and reader.reading.units[-1].tools == {"replace_background"}
    if reader.reading.units and (_of_its_kind(words) or (behind and not asides.tools_of([segment]))):
        reader.reading.instead_of = None
    elif reader.reading.instead_of and not asides.tools_of([replace(segment, words=words)]):
        reader.reading.unread.append(segment)
    elif request:
        reader.reading.units.append(Unit(request, [replace(segment, words=segment.words[len(words) :])]))
    return 1


def _request_at_end(reader: Reader, words: Sequence[Word]) -> tuple[tuple[Word, ...], list[Draft]]:
    """ "Instead of the vignette | put a white border"."""
    for cut in range(3, len(words) - 1):
        drafts = edits.read(words[cut:], reader.canvas) if opens(words[cut:]) else None
        if drafts and complete(drafts):
            return tuple(words[:cut]), drafts
    return tuple(words), []


def restriction(reader: Reader, at: int) -> int:
    segment, reading = reader.segments[at], reader.reading
    ban = asides.ban(segment.words) or _but_that(reader, segment)
    if ban is None or (segment.words[0].text in {"no", "without", "not"} and edits.read(segment.words, reader.canvas)):
        return 0
    note_instead(reader, reader.segments)
    if at == len(reader.segments) - 1 and not reading.units and not reading.said and asides.is_lacking(segment.text):
        reading.vague.clear()
        reading.units.append(Unit([Draft("remove", region=ban.region)], [segment]))
    elif ban.region in asides.THOSE:
        meant = reading.named or (reading.drafts[-1].region if reading.drafts else None)
        (reading.bans.append(replace(ban, region=meant)) if meant else reading.unread.append(segment))
    else:
        reading.named = ban.region or reading.named
        reading.bans.append(ban)
    return 1


def _but_that(reader: Reader, segment: Segment) -> Ban | None:
    """ "Everything in black and white, but the flower"."""
    said = {word.text for found in reader.reading.units for word in found.words}
    if segment.joint != "but" or not said & {"everything", "all", "whole"}:
        return None
    return asides.excepted(segment.text)


def note_instead(reader: Reader, segments: Sequence[Segment]) -> None:
    if any(word.text == "instead" for segment in segments for word in segment.words):
        reader.reading.instead_of = reader.reading.instead_of or ""


def lone_command(reader: Reader, at: int) -> int:
    """ "No vignette" alone takes it back, if there is one."""
    return command(reader, at) if len(reader.segments) == 1 else 0


def command(reader: Reader, at: int) -> int:
    """A command of one segment, or of a few that "and" has parted ("show the cat and the dog side by side")."""
    if _started_from(reader, at):
        return 1
    if not all(found.complaint for found in reader.reading.units):
        return 0
    if reader.reading.said is not None and matches("says why there", reader.segments[at].text):
        reader.reading.headings.append(reader.segments[at])
        return 1
    if len(reader.segments) > 1 and _praises(reader.segments[at], reader):
        reader.reading.headings.append(reader.segments[at])
        return 1
    following = reader.segments[at + 1 : at + 2]
    leads = bool(following) and (following[0].joint == "colon" or (at == 0 and following[0].joint in {"comma", "and"}))
    start = _starting_point(reader.segments[at]) if leads else None
    if start is not None and reader.reading.said is None:
        reader.reading.said = commands.spoken([start], reader.context)
        return int(reader.reading.said is not None)
    if following and matches("judged badly", reader.segments[at].text) and _goes_back(following[0], reader):
        reader.reading.headings.append(reader.segments[at])
        return 1
    for stop in range(min(at + 3, len(reader.segments)), at, -1):
        run = reader.segments[at:stop]
        apart = any(segment.joint in {"sentence", "then", "but"} for segment in run[1:])
        recalled = apart and antecedents.leads_there(run[-1].text)
        if any(segment.place for segment in run[1:]) or (apart and not recalled):
            continue
        said = commands.spoken(joined(run), reader.context)
        if said is not None and reader.reading.said is not None:
            return len(run) if _lead_to_the_same(said, reader) or _overrides(said, run, reader) else 0
        if said is not None:
            reader.reading.said = said
            reader.reading.remarks += [complained for found in reader.reading.units for complained in found.segments]
            reader.reading.units.clear()
            return len(run)
    return 0


def command_after(reader: Reader, at: int) -> int:
    """ "(Crop it square) and save it as a jpeg": a command that the edits lead to, if no more edits come after it."""
    reading = reader.reading
    if reading.then is not None or not any(not found.complaint for found in reading.units):
        return 0
    for stop in range(min(at + 3, len(reader.segments)), at, -1):
        run, rest = reader.segments[at:stop], reader.segments[stop:]
        said = None if any(segment.place not in {"", "last"} for segment in run) else _following(run, reader)
        if said is not None and not any(_denies(segment) for segment in rest):
            reading.then, reading.led = said, len(reading.units)
            return len(run)
    return 0


def _following(run: Sequence[Segment], reader: Reader) -> commands.Said | None:
    """The command of some segments, if it is one that may come after steps and nothing is missing."""
    said = commands.spoken(joined(run), reader.context)
    fits = said is not None and said.ask is None and not said.looks and said.command.name in AFTER_STEPS
    return said if fits else None


def _denies(segment: Segment) -> bool:
    """ "… and export? No wait, don't export yet"."""
    return any(word.text in {"no", "not", "never", "skip", "wait", "without", "forget"} for word in segment.words)


_STARTING = {
    "starting from",
    "starting with",
    "based on",
    "but starting from",
    "starting at",
    "using",
    "but from",
    "from",
}


def _started_from(reader: Reader, at: int) -> bool:
    """ "(Do it in sepia,) starting from the uploaded photo": where the requests before it start."""
    segment, units = reader.segments[at], reader.reading.units
    led = segment.words[-1].kind == "ref" and " ".join(word.text for word in segment.words[:-1]) in _STARTING
    last = at + 1 == len(reader.segments)
    ordered = any(found.place for found in units)
    if not led or not last or not units or ordered or reader.reading.said is not None or units[0].drafts[0].base:
        return False
    units[0].drafts[0] = replace(units[0].drafts[0], base=segment.words[-1].text)
    return True


_LEADING = re.compile(
    r"(?:from|on|in|with|using|starting (?:from|with|at)"
    r"|(?:take|use|using)(?: the (?:version|one|photo|picture))? from)"
)


def _starting_point(segment: Segment) -> Word | None:
    """ "From the original: …", "take the version from before the crop and …"."""
    led = _LEADING.fullmatch(" ".join(word.text for word in segment.words[:-1]))
    return segment.words[-1] if led and segment.words[-1].kind == "ref" else None


def _praises(segment: Segment, reader: Reader) -> bool:
    """ "The vignette is nice (but …)": what was done may stay, and is not asked for."""
    slots = match("praised", segment.text)
    what = re.sub(r"^(?:the|that|my|this|your) ", "", slots["what"]) if slots else ""
    finished = match("praised as done", segment.text)
    if finished is not None:
        what = re.sub(r"^(?:the|my) ", "", f"{finished['what']} {finished['how']}")
    done = references.line(reader.context)
    return any(step in done for step in references.by_tool(what, reader.context)) if what else False


def _goes_back(segment: Segment, reader: Reader) -> bool:
    """ "(Black and white does not suit it,) take me back to colour"."""
    said = commands.spoken(segment.words, reader.context)
    return said is not None and said.ask is None and said.command.name in {"undo", "redo", "switch", "reset"}


def _lead_to_the_same(one: commands.Said, reader: Reader) -> bool:
    """ "Scrap everything and go back to the original": both commands come to the same version."""
    other = reader.reading.said
    if one.ask or other is None or other.ask:
        return False
    landed = {references.landing(said.command, reader.context) for said in (one, other)}
    return one.command == other.command or (len(landed) == 1 and None not in landed)


def _overrides(said: commands.Said, run: Sequence[Segment], reader: Reader) -> bool:
    """ "The last but one, I mean two steps before now"."""
    if matches("overrides", run[0].text):
        reader.reading.said = said
        return True
    return False


def _of_its_kind(words: Sequence[Word]) -> bool:
    """ "(A black border) instead of the white one"."""
    items = {item.kind for item in Clause.of(words[1:]).items}
    return words[-1].text in {"one", "ones"} and not items - {
        "prep",
        "det",
        "color",
        "vague",
        "degree",
        "adjective",
        "thing",
    }
