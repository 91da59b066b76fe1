"""The pictures that a message names beyond doubt, whether or not the rest of it is understood.

For whoever must agree with a name and reads the rest in another way. What fits several pictures is no name here, nor is
what is only left alone or turned down. What shall be done with a picture is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.plan import Context
from agent.planners.rules import mentions, pictures, references
from agent.planners.rules.captions import quoted
from agent.planners.rules.patterns import matches
from agent.planners.rules.reported import without_lead
from agent.planners.rules.typos import corrected
from agent.planners.rules.words import Word, cut

_LONGEST = 7
"""Words of a phrase for an attached photo."""
_APART = {"and", "but", "then", "so"}
"""Between two clauses, as marks are."""
_SPARED = frozenset(
    """not never no without leave keep spare except unlike instead than nor neither prefer preferred like liked loved
    hate compare compared remember remembers recall same similar match matches matching undo forget drop
    scrap""".split()
)
"""Before a name in its clause: the picture is turned down, left alone or only compared with."""
_WITH = frozenset("of with by as like using use put insert add place paste combine merge blend mix swap".split())
"""Before a name: what is worked with, rather than worked on."""
_SETTING_OUT = frozenset("start starting go going begin beginning continue work working take it on again back".split())
_ARTICLES = frozenset("the this that my a an our".split())
_POLITE = frozenset("please now let us so".split())
_CALLED = frozenset("picture photo image version number".split())
_GOING = frozenset("go switch jump return back move continue carry".split())
_GIVEN = re.compile(r"\b(?:attached|attachment|enclosed|sent|gave|pasted)\b")
_NOUNED = re.compile(r"#\d+|\b(?:version|one|branch|photo|picture|image|shot|\d+)$")
_GOES_ON = frozenset(
    """and but then so to in with on into look looks feel feels seem a an more less as like please again instead for by
    without from at is""".split()
)
"""After "the original" and the like, which with any other word behind it may be "the original colours"."""


@dataclass(frozen=True)
class Named:
    """`id`: of a revision or of an attached photo. `worked_on`: named as what is worked on, not worked with."""

    words: str
    id: str
    worked_on: bool


def named(text: str, context: Context) -> tuple[Named, ...]:
    """The pictures that the message names, in order; each name once."""
    words = _attached(_read(text, context), context)
    marked, meant = mentions.mark(words, context)
    found = []
    for at, word in enumerate(marked):
        clause, behind = _clause(marked, at), marked[at + 1].text if at + 1 < len(marked) else ""
        ids = _ids(word, meant, context) or _branch(word, clause, context)
        if len(ids) == 1 and not _SPARED & {*clause} and _complete(marked, at):
            found.append(Named(word.text, ids.pop(), _worked_on(clause, behind)))
    return tuple({(one.id, one.worked_on): one for one in found}.values())


def absent(text: str, context: Context) -> str | None:
    """The first `#9` of the message that the session does not have."""
    return lost(_read(text, context), context)


def lost(words: Sequence[Word], context: Context) -> str | None:
    """The first `#9` among these words that the session does not have."""
    there = {f"#{revision.seq}" for revision in context.revisions}
    return next((word.text for word in words if word.kind == "hash" and word.text not in there), None)


def _read(text: str, context: Context) -> list[Word]:
    return list(quoted(text, without_lead(corrected(cut(text), context))))


def _ids(word: Word, meant: Mapping[str, references.Reference], context: Context) -> set[str]:
    """All that a phrase may mean. Ordinals count versions, or photos that were added; the last one is the one that was
    made last, or where we stand."""
    if word.kind == "request":
        return _photos(word.text, context)
    if word.kind != "ref" or word.text not in meant or _object(word.text, context):
        return set()
    ids = {revision.id for revision in meant[word.text].revisions}
    photos = [*context.attachments, *(revision for revision in context.revisions if not revision.parents)]
    counts = len(photos) > 1 and matches("a picture by its place", word.text)
    other = pictures.source(word.text, context) if counts else None
    newest = {context.revisions[-1].id} if matches("current", word.text.removeprefix("the ")) else set()
    return ids | newest | set(other.ids if other else ())


def _branch(word: Word, clause: Sequence[str], context: Context) -> set[str]:
    """ "Switch to dusk and …": a branch by its mere name, where one goes to it."""
    goes = clause[-1:] in (["to"], ["on"], ["from"]) and _GOING & {*clause}
    named = {head for name, head in context.branches.items() if references.plain(name) == word.text}
    return named if goes and word.kind == "word" else set()


def _object(text: str, context: Context) -> bool:
    """ "The red one" may be a thing in the picture, unless a step made the picture so or it is counted out."""
    one = re.fullmatch(r"(?:the|my|that|our|your) (.+) one", text)
    if one is None:
        return False
    counted = any(matches(name, f"{one[1]} one") for name in ("ordinal", "from the end", "current"))
    return not counted and not references.by_tool(one[1], context)


def _complete(words: Sequence[Word], at: int) -> bool:
    """Whether the phrase ends where it seems to: "the original" may go on as "the original colours"."""
    if _NOUNED.search(words[at].text):
        return True
    behind = words[at + 1] if at + 1 < len(words) else None
    ends = behind is None or behind.kind == "mark" or behind.text in _GOES_ON
    return ends and not re.search(r"\boriginal \w+$", words[at].text)


def _clause(words: Sequence[Word], at: int) -> list[str]:
    """What stands before a name in its clause."""
    start = at
    while start and words[start - 1].kind != "mark" and words[start - 1].text not in _APART:
        start -= 1
    before = [word.text for word in words[start:at]]
    return before[:-1] if before[-1:] and before[-1] in _CALLED else before


def _worked_on(clause: Sequence[str], behind: str) -> bool:
    """ "Use #2 and …", "a dreamy version of #2", "starting from #2"; not "use #2 as …", "the mood of #2"."""
    match list(clause[-2:]):
        case [*_, "from"]:
            return set(clause[:-1]) <= _SETTING_OUT
        case [*_, "use" | "with"] if set(clause[:-1]) <= _POLITE:
            return behind in {*_APART, ",", ":", ".", ""}
        case ["version" | "copy" | "variant" | "crop" | "print", "of"]:
            return True
    return not _WITH & {*clause[-1:]} and not {"as", "using", "of"} & {*clause}


# Photos that came with the message


def _attached(words: Sequence[Word], context: Context) -> list[Word]:
    """The words with every phrase for attached photos made one word of kind `request`."""
    out: list[Word] = []
    at = 0
    while at < len(words):
        stop = next((end for end in _ends(words, at) if _photos(_joined(words[at:end]), context)), at)
        if stop > at:
            out.append(Word(_joined(words[at:stop]), "request", words[at].start, words[stop - 1].stop))
        else:
            out.append(words[at])
        at = max(stop, at + 1)
    return out


def _ends(words: Sequence[Word], at: int) -> Iterator[int]:
    """Where a phrase that begins here may end, furthest first: before a mark, and before the next thing."""
    stop = at + 1
    while stop < min(at + _LONGEST, len(words)) and words[stop].kind != "mark" and words[stop].text not in _ARTICLES:
        stop += 1
    yield from range(stop, at, -1)


def _joined(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)


def _photos(text: str, context: Context) -> set[str]:
    """The attached photos that a whole phrase may mean; none where it may be a version."""
    photos = {asset.sha256 for asset in context.attachments if asset.kind == "image"}
    given = _GIVEN.search(text) and matches("a picture that should be attached", text)
    counted = matches("a picture by its place", text) and references.resolve(text, context) is None
    meant = pictures.source(text, context) if photos and (given or counted) else None
    return set(meant.ids) & photos if meant else set()
