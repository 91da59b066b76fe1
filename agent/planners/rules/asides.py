"""What a message says besides edits: what is to be left alone, and remarks that ask for nothing.

"don't touch the sky", "leave the rest alone", "no border" restrict the steps; "it's for my blog", "my husband holds the
camera crooked" are set aside. A remark is only what has a subject of its own and names no edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from agent.planners.rules.clause import REGIONAL, Clause, Draft
from agent.planners.rules.english import could_be_english
from agent.planners.rules.lexicon import Head, lexicon
from agent.planners.rules.nounphrases import PERSONS, noun_phrase
from agent.planners.rules.patterns import match, matches
from agent.planners.rules.places import place_at
from agent.planners.rules.segments import Segment
from agent.planners.rules.statements import states
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word

REST = "rest"


@dataclass(frozen=True)
class Ban:
    """A part of the picture that must stay as it is (REST: all but what is edited), or tools that must not be used.

    `arguments`: of adjust, the sliders and the directions that are not wanted.
    """

    region: str | None = None
    tools: frozenset[str] = frozenset()
    arguments: frozenset[tuple[str, int]] = frozenset()


THOSE = {"those", "them", "these", "that"}
"""What was just spoken of."""
_ANYTHING = {"anything", "anything else", "it", "nothing", "nothing else", "else", "any other thing"}
_TOOL_OF = {
    "size": "resize",
    "shape": "crop",
    "format": "crop",
    "proportions": "crop",
    "aspect ratio": "crop",
    "composition": "crop",
    "framing": "crop",
    "resolution": "resize",
    "aspect": "crop",
    "orientation": "rotate",
    "dimensions": "resize",
}


def ban(words: Sequence[Word]) -> Ban | None:
    """The restriction that a segment states, or None."""
    text = " ".join(word.text for word in words if word.kind != "mark")
    text = re.sub(r"^leav(?:e|ing) out ", "without ", text)
    text = re.sub(r" (?:anymore|any more|any further|any longer|at all|again|yet|for now)$", "", text)
    for name in ("must not be touched", "must stay"):
        slots = match(name, text)
        if slots is not None:
            return _restricted(slots.get("what", "anything else"))
    for name in ("must not be done", "is left out"):
        slots = match(name, text)
        if slots is not None and (restricted := _excluded(slots["what"], plain=name == "is left out")):
            return restricted
    return None


def excepted(what: str) -> Ban | None:
    """A bare part after "but"."""
    region = _region(what)
    return Ban(region) if region is not None else None


def is_lacking(text: str) -> bool:
    """ "(I want it) without the lamp"."""
    return (
        text.startswith("without the ") and excepted(text.removeprefix("without ").removesuffix(" please")) is not None
    )


def _restricted(what: str) -> Ban | None:
    """What must not change: a part, the rest, or a property."""
    if what in {"the midtones", "midtones"}:
        return Ban(tools=frozenset({"adjust"}), arguments=frozenset({("midtones", 1)}))
    what = {"she": "her", "he": "him"}.get(what, what)
    if what in THOSE | {"her", "him"}:
        return Ban(what)
    if what.removeprefix("the ") in {"it", "everything", "picture", "photo", "image", "this", "all"}:
        return Ban()
    region = _region(re.sub(r" (?:behind|there|here|around it|behind it|next to it|beside it)$", "", what))
    if region is not None:
        return Ban(region)
    named = re.match(r"(?:the|its|my|all the|any of the) ", what) is not None
    what = re.sub(r"^(?:the|its|my|all the|any of the|any) ", "", what)
    if what in _TOOL_OF:
        return Ban(tools=frozenset({_TOOL_OF[what]}))
    clause = Clause.of([Word(word, "word", 0, 0) for word in what.split()])
    verbs = any(head.form in {"verb", "comparative"} for head in clause.heads()) and not named
    return None if verbs or clause.has("make", "add", "direction") else _tools(clause)


def _excluded(what: str, plain: bool) -> Ban | None:
    """After "not", "don't": an edit that is not wanted, perhaps on one part; after a plain "not" also a part."""
    clause = Clause.of([Word(word, "word", 0, 0) for word in what.split()])
    banned = _tools(clause)
    if banned is not None:
        return banned
    region = _region(what) if plain else None
    return Ban(region) if region is not None else None


def _tools(clause: Clause) -> Ban | None:
    heads = clause.heads()
    heads += [
        item.value.inner.value
        for item in clause.items
        if item.kind == "thing" and item.value.inner and item.value.inner.kind == "head"
    ]
    if not heads:
        return None
    clause.items = [item for item in clause.items if not (item.kind == "thing" and item.value.inner)]
    clause.take_all("head", "degree", "direction", "vague", "too", "color")
    region = clause.region()
    clause.take_all("thing") if region is None and all(thing.vague for thing in clause.all("thing")) else None
    if clause.unexplained():
        return None
    return Ban(region, frozenset(head.args.get("instead", head.tool) for head in heads), frozenset(_unwanted(heads)))


def _unwanted(heads: Sequence[Head]) -> Iterator[tuple[str, int]]:
    """(slider, direction): a noun ("the colours") bars both directions, "brighter" one."""
    for head in heads:
        if head.tool == "monochrome":
            yield str(head.args["tone"]), 1
        if head.tool == "adjust":
            for name, sign in head.args.items():
                yield name, sign
                if head.form in {"noun", "adjective"}:
                    yield name, -sign


def _region(what: str) -> str | None:
    """The words of a thing, a place, or REST."""
    texts = what.split()
    if what in _ANYTHING:
        return REST
    items = Clause.of([Word(word, "word", 0, 0) for word in texts]).items
    if len([item for item in items if item.kind not in {"fill", "det"}]) == 1 and any(
        item.kind == "rest" for item in items
    ):
        return REST
    place = place_at(texts, 0)
    if place is not None and place[1] == len(texts):
        return place[0]
    found = noun_phrase(texts, 0, "", greedy=True)
    if found is None or found[1] != len(texts) or found[0].whole or found[0].vague:
        return None
    return found[0].words if found[0].inner is None else None


# --- remarks ----------------------------------------------------------------------------------------------------------

_ASKING = frozenset(listed("asks for something"))
"""Words that ask for something: what has one of them is no mere remark."""
_ASKING_STILL = frozenset(listed("asks for something even where it states"))


_EDITING = (
    "head",
    "direction",
    "quantity",
    "degree",
    "share of now",
    "shape",
    "ratio",
    "pixels",
    "ref",
    "color",
    "too",
)


def is_remark(words: Sequence[Word], reason: bool = False) -> bool:
    """Whether the words state something and ask for nothing. `reason`: they stand after "because" or the like."""
    if any(word.kind in {"quote", "ref", "hash", "color", "ratio", "size"} for word in words):
        return False
    if any(word.text in {"too", "to"} for word in words) and not all(_is_known(word) for word in words):
        return False
    text = " ".join(word.text for word in words).removesuffix(" please").removeprefix("please ")
    if reason or matches("remark of use", text) or matches("remark of oneself", text):
        return True
    if words[0].text in {"like", "as"} and not Clause.of(words).has(*_EDITING):
        return True
    disliked = match("dislike of a thing", text)
    if disliked:
        what = re.sub(
            r" (?:there|in there|in it|in the (?:photo|picture)|anymore|any more|at all)+$", "", disliked["what"]
        )
        what = re.sub(r" (?:there|in it|in the (?:photo|picture))$", "", what)
        return what.startswith("how ") or _region(what) not in {None, REST}
    if matches("remark", text) and not _asks(text.removeprefix("only "), _ASKING):
        return True
    return states(words) and not _asks(text, _ASKING_STILL)


def _is_known(word: Word) -> bool:
    """Whether it is a word at all: "too dakr" may be a complaint that nobody can read."""
    short = word.kind != "word" or len(word.text) < 4
    return short or lexicon().single(word.text) is not None or could_be_english(word.text)


def _asks(text: str, asking: frozenset[str]) -> bool:
    texts = text.split()
    pairs = {f"{one} {other}" for one, other in pairwise(texts)}
    return bool(asking & (set(texts) | pairs))


def is_purpose(words: Sequence[Word]) -> bool:
    """Whether the words only say what an edit is for: "for my shop", "to match the other one"."""
    text = " ".join(word.text for word in words)
    if any(word.kind in {"quote", "ref", "hash", "color", "ratio", "size", "number"} for word in words):
        return False
    clause = Clause.of(words[1:])
    return matches("purpose", text) and not clause.has(
        "head", "direction", "not", "except", "only", "rest", "color", "question", "turn"
    )


def tools_of(segments: Sequence[Segment]) -> set[str]:
    """The tools that a remark happens to name; it is only one if those are asked for anyway."""
    found: set[str] = set()
    for segment in segments:
        clause = Clause.of(segment.words)
        found |= clause.tools() | ({"crop"} if clause.has("shape") else set())
    return found


def praises(words: Sequence[Word]) -> bool:
    """ "The background is blurred nicely" is no complaint."""
    text = f" {' '.join(word.text for word in words)} "
    return any(
        f" {praise} " in text
        for praise in ("nicely", "beautifully", "well", "perfectly", "lovely", "great", "just right", "perfect")
    )


_BESIDE = re.compile(
    r"^(?:(?:that|which|behind|there|here|anymore|in it|in the (?:back|background|front|middle)"
    r"|still|really|just|always|only)(?: |$))+"
)
"""What may stand between a thing and what is said of it."""


def finds_fault(words: Sequence[Word], what: str) -> bool:
    """Whether a remark says that something is not as it should be; then "it" is that, and not the picture."""
    text = f" {' '.join(word.text for word in words)} "
    if any(f" {praise} " in text for praise in listed("praises")):
        return False
    stated = any(f"{what} {verb} " in text for verb in ("is", "are", "looks", "look", "seems", "feels", "came out"))
    return stated or any(f" {fault} " in text for fault in listed("finds fault"))


def topic(words: Sequence[Word]) -> str | None:
    """The thing that a remark is about: "the cup on the left is distracting", "only the left half is worth keeping"."""
    texts = [word.text for word in words]
    at = 0
    if texts[0] == "only":
        place = place_at(texts, 1)
        found = noun_phrase(texts, 1, "", greedy=False)
        return place[0] if place else found and found[0].words
    while at < len(texts) and texts[at] in {
        "ugh",
        "oh",
        "and",
        "but",
        "so",
        "well",
        "also",
        "there",
        "is",
        "hate",
        "i",
        "do",
        "not",
        "like",
        "are",
        "really",
        "want",
        "just",
    }:
        at += 1
    last = re.search(
        r"(?:lost|missing|gone|nothing|no detail|no details) (?:in|on|at) (?=(?:the|my|her|his|our|their) )",
        " ".join(texts),
    )
    if last:
        return _named(" ".join(texts)[last.end() :].split())
    place = place_at(texts, at) if at < len(texts) else None
    if place is not None and matches("begins with a verb", " ".join(texts[place[1] :])):
        return place[0]
    found = noun_phrase(texts, at, "", greedy=False) if at < len(texts) else None
    if found is not None and (found[0].abstract or found[0].is_property):
        return None
    if found is None or found[0].whole or found[0].vague or not found[0].article:
        return None
    rest = _BESIDE.sub("", " ".join(texts[found[1] :]))
    made = re.match(r"(?:left|leaves|made|makes|turned|turns) (?=(?:the|my|her|his|our|their) )", rest)
    if made:
        return topic(words[len(texts) - len(rest[made.end() :].split()) :]) or _named(rest[made.end() :].split())
    return found[0].words if not rest or matches("begins with a verb", rest) else None


def _named(texts: Sequence[str]) -> str | None:
    """The thing that stands first."""
    found = noun_phrase(texts, 0, "", greedy=False)
    return found[0].words if found is not None and not (found[0].whole or found[0].vague or found[0].abstract) else None


# --- what restrictions do to the steps --------------------------------------------------------------------------------


def restricted(drafts: Sequence[Draft], bans: Sequence[Ban]) -> list[Draft] | None:
    """The drafts with what must be left alone excluded; None where that contradicts them."""
    out = list(drafts)
    for ban in bans:
        regional = [draft for draft in out if draft.tool in REGIONAL]
        if ban.tools:
            if any(_is_banned(draft, ban) for draft in out):
                return None
        elif ban.region == REST:
            if len({draft.region is None for draft in regional}) > 1:
                return None
        elif ban.region is not None:
            if not regional and all(_works_elsewhere(draft, ban.region) for draft in out):
                continue
            if not regional or any(draft.region == ban.region for draft in regional):
                return None
            out = [_spared(draft, ban.region) for draft in out]
    return out


def _works_elsewhere(draft: Draft, region: str) -> bool:
    """ "Remove the leash, the collar must stay", "a blue background, don't touch her hair"."""
    return draft.tool in {"remove", "replace_background"} and region not in {draft.region, "background"}


def _is_banned(draft: Draft, ban: Ban) -> bool:
    if draft.tool not in ban.tools or (ban.region is not None and draft.region != ban.region):
        return False
    if draft.tool == "monochrome":
        return (draft.args.get("tone", "neutral"), 1) in ban.arguments or not ban.arguments
    if draft.tool != "adjust":
        return True
    return any((name, 1 if value > 0 else -1) in ban.arguments for name, value in draft.args.items())


def _spared(draft: Draft, region: str) -> Draft:
    if draft.tool not in REGIONAL or draft.region not in {None, REST}:
        return draft
    return replace(draft, region=f"everything but {region if region in PERSONS else f'the {region}'}")
