"""One clause → the steps it asks for, or None where a word of it stays unexplained.

Each rule (in `light`, `effects`, `shapes`, `objects`) gets its own copy of the clause and takes what it understands;
the first whose copy has nothing left over is right. Phrases that mean something else together are settled by `idioms`
before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from agent.planners.rules import coloring, effects, idioms, light, objects, shapes, turning
from agent.planners.rules.clause import Clause, Draft
from agent.planners.rules.items import Item
from agent.planners.rules.words import Word


@dataclass(frozen=True)
class Canvas:
    """What is known of the picture that will be edited: width and height in pixels, and what its file was called."""

    size: tuple[int, int] | None = None
    subject: str = ""

    @property
    def shorter(self) -> int | None:
        return min(self.size) if self.size else None


Rule = Callable[[Clause, Canvas], list[Draft] | None]

RULES: tuple[Rule, ...] = (
    lambda clause, canvas: objects.text(clause),
    lambda clause, canvas: objects.background(clause),
    lambda clause, canvas: objects.remove(clause),
    lambda clause, canvas: coloring.monochrome(clause),
    lambda clause, canvas: coloring.only_in_color(clause),
    lambda clause, canvas: coloring.gray(clause),
    lambda clause, canvas: effects.vignette(clause),
    lambda clause, canvas: effects.border(clause, canvas.shorter),
    lambda clause, canvas: turning.flip(clause),
    lambda clause, canvas: turning.rotate(clause),
    lambda clause, canvas: turning.straighten(clause),
    lambda clause, canvas: shapes.crop(clause),
    lambda clause, canvas: shapes.resize(clause, canvas.size),
    lambda clause, canvas: effects.strength(clause),
    lambda clause, canvas: effects.auto(clause),
    lambda clause, canvas: light.adjust(clause),
    lambda clause, canvas: coloring.hue(clause),
    lambda clause, canvas: effects.relative(clause),
)


_ASKING = {"make", "add", "insert", "change", "fix"}
_GIVEN = {"thing", "whole", "place", "color", "quote"}


def _two_requests(clause: Clause) -> bool:
    """ "Remove the damage increase the contrast": a verb with its object, and another verb with its own."""
    seen = 0
    for before, item in zip([None, *clause.items], clause.items, strict=False):
        verb = item.kind in _ASKING or (item.kind == "direction" and clause.words[item.start].text not in _NO_VERBS)
        noun = before is not None and before.kind in {"det", "color", "degree", "adjective"}
        verb = verb or (item.kind == "head" and item.value.form == "verb" and not noun)
        if verb and seen == 2 and item.kind == "make" and _is_it(clause, item):
            continue
        given = item.kind in _GIVEN or (item.kind == "head" and item.value.form == "noun")
        if (verb and seen in {0, 2}) or (given and seen in {1, 3}):
            seen += 1
    return seen == 4


def _is_it(clause: Clause, verb: Item) -> bool:
    """ "… and make it big"."""
    after = clause.items[clause.items.index(verb) + 1 :]
    return bool(after) and after[0].kind == "whole" and after[0].value == "it"


def _likes(clause: Clause) -> bool:
    """ "I like the blur" asks for nothing; "I like it darker" does."""
    liked = [word.text for word in clause.words[:2]] in (["i", "like"], ["i", "love"], ["we", "like"], ["we", "love"])
    return liked and not clause.has("direction") and all(head.form != "comparative" for head in clause.heads())


def _tells(clause: Clause) -> bool:
    """ "My lens makes them dark" says what happens, and asks for nothing."""
    if clause.says("always", "usually", "often", "sometimes") and clause.says("too") and not clause.wished:
        return True
    told = _TOLD if clause.says(*_MODALS) else _TOLD | {"have", "had"}
    return any(
        one.kind == "thing" and not one.value.prep and other.kind == "make" and clause.words[other.start].text in told
        for one, other in pairwise(item for item in clause.items if item.kind not in {"unknown", "fill", "degree"})
    )


def _spares(clause: Clause) -> bool:
    """ "Soften nothing else" asks for nothing."""
    return any(
        one.kind == "head" and one.value.form == "verb" and clause.words[other.start].text == "nothing"
        for one, other in pairwise(clause.items)
    )


_MODALS = ("can", "could", "would", "should", "may", "must", "let", "to", "want", "like")
_TOLD = {"makes", "made", "turns", "turned", "gives", "gave"}


def _brings_over(clause: Clause) -> bool:
    """ "The border from the sepia one on this picture": something of one version is wanted on another."""
    refs = [item for item in clause.items if item.kind == "ref"]
    at = clause.items.index(refs[0])
    if _takes_from(clause, at):
        return True
    after = clause.items[at + 1 :]
    here = [item for item in after if item.kind == "whole" or (item.kind == "thing" and item.value.whole)]
    return any(
        {"on", "to", "onto", "into"} & {word.text for word in clause.words[refs[0].stop : item.stop]} for item in here
    )


_TAKING = {"use", "copy", "take", "borrow", "give", "get", "want", "need", "have", "bring", "apply", "put"}


def _takes_from(clause: Clause, at: int) -> bool:
    """ "Use the colours of the original", "give it the border from the sepia one"."""
    before = [word.text for word in clause.words[: clause.items[at].start]]
    named = any(item.kind == "head" for item in clause.items[:at])
    return named and before[-1:] in (["of"], ["from"]) and bool(_TAKING & set(before))


_NO_VERBS = {
    "more",
    "less",
    "up",
    "down",
    "higher",
    "lower",
    "stronger",
    "extra",
    "additional",
    "another",
    "greater",
    "fewer",
    "not",
    "some",
    "even",
    "back",
    "a",
    "plus",
    "minus",
    "increased",
    "reduced",
}
_TURNING = {"rotate", "flip", "straighten", "resize"}
"""Tools that turn the whole picture: "flip the dog" is about dog.jpg."""


def read(words: Sequence[Word], canvas: Canvas) -> list[Draft] | None:
    """The steps that the words ask for, in order; a step that lacks something says what."""
    clause = idioms.settled(Clause.of(idioms.gathered(idioms.without_where(words))))
    if _two_requests(clause) or _tells(clause) or _likes(clause) or _spares(clause):
        return None
    if clause.has("ref") and _brings_over(clause):
        return None
    clause.drop([one for one, other in pairwise(clause.items) if one.kind == "prep" and other.kind == "ref"])
    base = clause.take("ref")
    if clause.tools() & _TURNING:
        clause.drop([item for item in clause.items if item.kind == "thing" and item.value.words == canvas.subject])
    lacking: list[Draft] | None = None
    for rule in RULES:
        trial = clause.copy()
        drafts = rule(trial, canvas)
        if drafts is None or trial.unexplained() or (base and any(d.tool == "remove" and d.need for d in drafts)):
            continue
        drafts = [replace(draft, base=base) if i == 0 else draft for i, draft in enumerate(drafts)]
        if all(draft.need is None for draft in drafts):
            return drafts
        lacking = lacking or drafts
    return lacking
