"""Requests that need a second picture: "put the cat from #3 on the left", "give it the colours of the attached photo".

A clause that one of the patterns explains as a whole, and whose pictures are known, is made one word of the message;
what stands around it is read as always. A picture that is missing, or may be one of several, is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.plan import Candidate, Context, PlanStep
from agent.planners.rules import references
from agent.planners.rules.clause import Clause, Draft, Need
from agent.planners.rules.numbers import ORDINALS
from agent.planners.rules.patterns import every_match, match, matches
from agent.planners.rules.reader import Reader
from agent.planners.rules.tables import listed
from agent.planners.rules.units import Unit
from agent.planners.rules.words import Word, cut
from sessions.values import Asset, Json

_LONGEST = 40
_SAID = {"word", "number", "hash", "ordinal"}
_STARTS_AFTER = {"and", "then", "but", "so"}
_NAMES = re.compile(r"(?:the|a|an|my|your|his|her|our|their|this|that|its|both) ")
_STRENGTHS = (
    (r"\b(?:a bit|a little|slightly|subtly|gently|not too)\b", 0.4),
    (r"\b(?:half|halfway|partly|somewhat)\b", 0.5),
    (r"\b(?:fully|completely|exactly|entirely|strongly)\b", 1.0),
)
_SIZES = (
    (r"\b(?:bit|little|slightly|somewhat) small", 0.3),
    (r"\b(?:bit|little|slightly|somewhat) (?:big|large)", 0.5),
    (r"\b(?:very|really|quite|much|way) (?:small|little|tiny)|\btiny\b", 0.1),
    (r"\b(?:very|really|quite|much|way) (?:big|large)|\bhuge\b", 0.8),
    (r"\b(?:full|whole|possible)\b", 1.0),
    (r"\bhalf\b", 0.5),
    (r"\bthird\b", 0.33),
    (r"\bquarter\b", 0.25),
    (r"\b(?:small|little)", 0.2),
    (r"\b(?:big|large)", 0.6),
)
MISSING = "Which picture do you mean? Attach it, or name one of these."
WHICH_TWO = "Which two pictures show what is to be done, before and after? Attach both, or name two versions."


@dataclass(frozen=True)
class Meant:
    """What words for another picture mean: one id, or several to choose from, or none that is there."""

    ids: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()


def mark(words: Sequence[Word], context: Context) -> list[Word]:
    """The words with every clause that needs a second picture made one word of kind `request`."""
    out: list[Word] = []
    at = 0
    while at < len(words):
        stop = next((end for end in _ends(words, at) if read(_text(words[at:end]), context)), None)
        if stop is None:
            out.append(words[at])
            at += 1
            continue
        out.append(Word(_text(words[at:stop]), "request", words[at].start, words[stop - 1].stop))
        at = stop
    return out


def _ends(words: Sequence[Word], at: int) -> Iterator[int]:
    """Where a clause from `at` on may end, furthest first; none where no clause can begin."""
    before = words[at - 1] if at else None
    if before is not None and before.kind != "mark" and before.text not in _STARTS_AFTER:
        return
    stop = at
    while stop < len(words) and stop - at < _LONGEST and (words[stop].kind in _SAID or words[stop].text == ","):
        stop += 1
    for end in range(stop, at + 2, -1):
        following = words[end] if end < len(words) else None
        if following is None or following.kind == "mark" or following.text in _STARTS_AFTER:
            yield end


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def requested(reader: Reader, at: int) -> int:
    """The step of reading for such a request."""
    segment = reader.segments[at]
    if len(segment.words) != 1 or segment.words[0].kind != "request":
        return 0
    draft = read(segment.text, reader.context)
    if draft is None:
        return 0
    reader.reading.units.append(Unit([draft], [segment]))
    return 1


def read(text: str, context: Context) -> Draft | None:
    """The step that a clause asks for, or None if it is no request of this kind."""
    for how in (_analogy, _background, _match_colors, _insert):
        draft = how(text, context)
        if draft is not None:
            return draft
    return None


def _with(draft: Draft, meant: Meant, context: Context) -> Draft:
    """A draft that works with one other picture; the one that is worked on is no other."""
    if len(meant.ids) == 1 and meant.ids[0] != context.head:
        return replace(draft, subjects=meant.ids)
    candidates = meant.candidates if len(meant.ids) > 1 else others(context)
    return replace(draft, need=Need(MISSING, "subjects.0", candidates))


# --- one kind of request each -----------------------------------------------------------------------------------------


def _insert(text: str, context: Context) -> Draft | None:
    for slots in every_match("insert from another picture", text):
        meant = source(slots["source"], context)
        if meant is not None and (args := _inserted(slots, slots["what"])) is not None:
            return _with(Draft("insert_subject", args), meant, context)
    for slots in every_match("insert another picture", text):
        meant = source(slots["source"], context)
        if meant is not None and (args := _inserted(slots, None)) is not None:
            return _with(Draft("insert_subject", args), meant, context)
    photos = _attached(context)
    for slots in every_match("insert what is attached", text) if len(photos) == 1 else ():
        if (args := _inserted(slots, slots["what"])) is not None:
            return Draft("insert_subject", args, subjects=(photos[0].sha256,))
    return None


def _inserted(slots: dict[str, str], what: str | None) -> Json | None:
    """The arguments of insert_subject; None for what is nothing that can be cut out, or a size nobody has."""
    args: Json = {}
    if what is not None and not matches("an attached picture", what):
        if (
            not _NAMES.match(what)
            or Clause.of(cut(what)).heads()
            or set(what.split()) & set(listed("cannot be cut out"))
        ):
            return None
        args["subject"] = what
    if re.search(r"\b(?:attached|attachment)\b", slots.get("at", "")):
        return None
    if "at" in slots:
        args["at"] = slots["at"]
    if "size" in slots:
        size = _valued(slots["size"], _SIZES)
        if size is None:
            return None
        args["scale"] = size
    if "blend" in slots:
        args["blend"] = "poisson"
    return args


def _match_colors(text: str, context: Context) -> Draft | None:
    for slots in every_match("match the colors", text):
        meant = source(slots["source"], context, named=True)
        if meant is None:
            continue
        where = slots.get("where", "it")
        degree = _valued(slots["degree"], _STRENGTHS) if "degree" in slots else None
        region = None if where in listed("the picture worked on") else where.removeprefix("the ")
        return _with(Draft("match_colors", {} if degree is None else {"amount": degree}, region), meant, context)
    return None


def _background(text: str, context: Context) -> Draft | None:
    for slots in every_match("use as the background", text):
        meant = source(slots["source"], context)
        if meant is not None:
            return _with(Draft("replace_background"), meant, context)
    return None


def _analogy(text: str, context: Context) -> Draft | None:
    for slots in every_match("do as between two pictures", text):
        both = [source(slots[name], context, named=True) for name in ("a", "b")]
        ids = [meant.ids[0] for meant in both if meant is not None and len(meant.ids) == 1]
        if len(ids) == 2 and ids[0] != ids[1]:
            return Draft("analogy", subjects=tuple(ids))
    if matches("do as in two attached pictures", text):
        photos = tuple(asset.sha256 for asset in _attached(context))
        return (
            Draft("analogy", subjects=photos[:2])
            if len(photos) >= 2
            else Draft("analogy", need=Need(WHICH_TWO, "subjects"))
        )
    return None


def _valued(text: str, table: Sequence[tuple[str, float]]) -> float | None:
    """A number for words of size or strength: "30 percent", or one of a table."""
    percent = re.search(r"(\d+) percent", text)
    if percent is not None:
        return int(percent[1]) / 100 if 0 < int(percent[1]) <= 100 else None
    return next((value for said, value in table if re.search(said, text)), None)


# --- which picture ----------------------------------------------------------------------------------------------------


def source(text: str, context: Context, named: bool = False) -> Meant | None:
    """The picture that the words mean; None where they speak of no picture. `named`: a branch's mere name is one."""
    photos = _attached(context)
    if placed := match("a picture by its place", text):
        return _nth(placed, photos, context)
    if photos and (matches("an attached picture", text) or matches("the picture", text)):
        return _one_of(photos)
    by_name = [asset for asset in photos if _stem(asset.name) in {text, text.removeprefix("the ")}]
    if len(by_name) == 1:
        return Meant((by_name[0].sha256,))
    return _version(text, context, named) or (Meant() if matches("a picture that should be attached", text) else None)


def _version(text: str, context: Context, named: bool) -> Meant | None:
    """A version of this session: "#3", "the sepia one", "the original", "the dog photo", perhaps "sepia"."""
    bare = re.sub(r"^(?:the|my) | (?:branch|version)$", "", text)
    roots = [revision for revision in context.revisions if not revision.parents]
    if matches("another upload", text) and len(roots) < 2:
        return None
    if not matches("speaks of a version", text) and not (named and bare in map(references.plain, context.branches)):
        return None
    found = references.resolve(text, context) or references.resolve(bare, context)
    if found is None:
        return None
    return Meant(tuple(revision.id for revision in found.revisions), references.candidates(found.revisions, context))


def _nth(slots: dict[str, str], photos: Sequence[Asset], context: Context) -> Meant | None:
    """ "The second photo": of those attached, or else of those that were uploaded."""
    said = slots.get("nth", "")
    number = int(slots["n"]) if "n" in slots else ORDINALS.get(said) or (int(said[0]) if said[:1].isdigit() else -1)
    if len(photos) == 1 and number != 1:
        return _one_of(photos)
    at = number - 1 if number > 0 else -1
    if photos:
        return _one_of(photos[at:][:1] or photos)
    roots = [revision for revision in context.revisions if not revision.parents]
    if at >= len(roots):
        return None
    heads = [head for head in context.branches.values() if roots[at] in references.line(replace(context, head=head))]
    return Meant((heads[0] if len(heads) == 1 else roots[at].id,))


def _one_of(photos: Sequence[Asset]) -> Meant:
    candidates = tuple(Candidate(label=asset.name or asset.sha256[:8], value=asset.sha256) for asset in photos)
    return Meant(tuple(asset.sha256 for asset in photos), candidates)


def _attached(context: Context) -> list[Asset]:
    return [asset for asset in context.attachments if asset.kind == "image"]


def _stem(name: str) -> str:
    return references.plain(name.rpartition(".")[0])


def others(context: Context) -> tuple[Candidate, ...]:
    """What there is besides the picture that is worked on: heads of other branches, or else earlier versions."""
    own = references.line(context)
    heads = [r for r in context.revisions if r.id in context.branches.values() and r not in own]
    return references.candidates(heads or own[1:4], context)


# --- once more --------------------------------------------------------------------------------------------------------


def blended(words: Sequence[Word], context: Context) -> PlanStep | None:
    """ "Blend it in", right after something was put in: the same step from where it began, blended."""
    last = references.line(context)[:1]
    step = last[0].step if last else None
    if step is None or step.tool != "insert_subject" or not matches("blend what was inserted", _text(words)):
        return None
    region = step.region.to_json() if step.region else None
    args = step.args | {"blend": "poisson"}
    return PlanStep(tool=step.tool, args=args, base=step.base, subjects=step.subjects, region=region, confirmed=True)
