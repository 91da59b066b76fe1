"""One clause as a bag of items from which the edits take what they understand; what is left over stops the edit.

`Clause` is the accounting: an item is explained when somebody took it or when it is a word that never changes meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from agent.plan import Candidate
from agent.planners.rules.items import Item, scan
from agent.planners.rules.lexicon import Head
from agent.planners.rules.nounphrases import PERSONS, Thing
from agent.planners.rules.numbers import Quantity
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word
from sessions.values import Json

_WISHING = ("want", "wants", "need", "like", "prefer", "love")
HARMLESS = {"fill", "make", "add", "be", "should", "whole", "again", "instead", "conj", "only", "mood"}
_NEAR = {"around", "near", "by", "next to", "close to", "round"}
_GRAMMATICAL = {
    "in",
    "on",
    "of",
    "at",
    "for",
    "to",
    "with",
    "by",
    "over",
    "across",
    "around",
    "from",
    "within",
    "onto",
    "along",
    "throughout",
    "through",
}


_WITHIN = {
    "",
    "in",
    "on",
    "of",
    "at",
    "for",
    "over",
    "across",
    "within",
    "inside",
    "to",
    "from",
    "throughout",
    "onto",
    "into",
    "along",
    "all over",
    "upon",
}
_BESIDE = {"under", "underneath", "beneath", "below", "behind", "above", "around", "near", "beside", "between"}
REGIONAL = {"adjust", "monochrome", "blur", "sharpen", "denoise", "auto"}
"""Tools that may be limited to a part of the picture, and are when a part of it must stay as it is."""
_RAISING = frozenset(listed("raises a degree"))
_ARTICLES = {"both", "your", "the", "a", "an", "this", "that", "these", "those", "some", "any", "all", "its"}


@dataclass(frozen=True)
class Need:
    """What a step lacks: the question, the place in the step that the answer fills, and some answers."""

    question: str
    field: str
    candidates: tuple[Candidate, ...] = ()
    free: bool = False


@dataclass(frozen=True)
class Draft:
    """A step before its place in the plan is known.

    `refers`: its object was "it", which may mean what was just talked about. `complaint`: nobody has asked for it yet.
    `factor`: how much should be left of what an earlier step of this tool (of any, where the tool is "") did. `more`:
    as an earlier one of this tool was not enough. `subjects`: ids of the other pictures it works with.
    """

    tool: str
    args: Json = field(default_factory=dict)
    region: str | None = None
    base: str | None = None
    need: Need | None = None
    refers: bool = False
    complaint: bool = False
    factor: float | None = None
    more: bool = False
    subjects: tuple[str, ...] = ()


def complete(drafts: Sequence[Draft]) -> bool:
    """Whether no step lacks anything."""
    return all(draft.need is None for draft in drafts)


@dataclass
class Clause:
    """The items of some words, less those taken."""

    words: Sequence[Word]
    items: list[Item] = field(default_factory=list)

    @classmethod
    def of(cls, words: Sequence[Word]) -> Clause:
        return cls(words, scan(words))

    def copy(self) -> Clause:
        return Clause(self.words, list(self.items))

    def has(self, *kinds: str) -> bool:
        return any(item.kind in kinds for item in self.items)

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    def says(self, *texts: str) -> bool:
        """Whether one of the words is there, taken or not."""
        return any(word.text in texts for word in self.words)

    def all(self, kind: str) -> list[Any]:
        return [item.value for item in self.items if item.kind == kind]

    def take(self, kind: str) -> Any:
        """The first value of a kind, which is explained from now on; None where there is none."""
        for item in self.items:
            if item.kind == kind:
                self.items.remove(item)
                return item.value
        return None

    def take_all(self, *kinds: str) -> list[Any]:
        taken = [item for item in self.items if item.kind in kinds]
        self.items = [item for item in self.items if item.kind not in kinds]
        return [item.value for item in taken]

    def drop(self, items: Sequence[Item]) -> None:
        self.items = [item for item in self.items if item not in items]

    def heads(self, *tools: str) -> list[Head]:
        return [head for head in self.all("head") if not tools or head.tool in tools]

    def head_items(self, *tools: str) -> list[Item]:
        return [item for item in self.items if item.kind == "head" and item.value.tool in tools]

    def swap(self, old: Item, kind: str, value: object) -> None:
        """The same words understood as something else."""
        self.items[self.items.index(old)] = replace(old, kind=kind, value=value)

    def tools(self) -> set[str]:
        return {head.tool for head in self.heads()}

    def unexplained(self) -> list[Item]:
        """What nobody took. Things are inserted nowhere but as words, borders and vignettes."""
        left = [item for item in self.items if not _harmless(item)]
        if any(item.kind in {"insert", "change"} for item in left):
            left = [item for item in left if item.kind not in self._meant_here()]
        return left

    def _meant_here(self) -> set[str]:
        """ "Insert" goes with words, borders and vignettes; "change" with what something is changed to."""
        items = scan(self.words)
        heads = [item.value for item in items if item.kind == "head"]
        inserts = any(item.kind == "quote" for item in items) or {h.tool for h in heads} & {
            "text",
            "border",
            "vignette",
        }
        looks = {"monochrome", "replace_background", "crop", "rotate", "resize", "flip"}
        changes = any(h.form in {"adjective", "comparative"} or h.tool in looks for h in heads) or any(
            item.kind == "quantity" or (item.kind in {"color", "shape", "ratio", "pixels", "thing"} and not heads)
            for item in items
        )
        return ({"insert"} if inserts else set()) | ({"change"} if changes else set())

    @property
    def wished(self) -> bool:
        """Whether it is asked for and not stated: "make it", "it should be", "I want it"."""
        return self.has("make", "should", "add") or self.says(*_WISHING)

    def items_but_articles(self) -> list[Item]:
        return [item for item in self.items if item.kind not in {"det", "conj", "whole", "again"}]

    # --- what several edits ask for ---

    def region(self, *around: str) -> str | None:
        """The part of the picture it is about, taken: one thing, a place, or everything but a thing.

        `around`: further prepositions that lead to it; "behind the cat" is not the cat.
        """
        excluded = self._outside()
        if excluded is not None:
            self.take("rest")
            return excluded
        found = [item for item in self.items if item.kind in {"thing", "place", "rest"} and not _is_whole(item)]
        if not found and (person := self._person()):
            return person
        if len(found) == 2 and found[1].kind == "place" and found[0].kind == "thing":
            self.drop(found)
            return f"{found[0].value.words} {found[1].value}"
        if len(found) != 1 or (self.has("conj") and any(_is_picture(item) for item in self.items)):
            return None
        item = found[0]
        if item.kind == "thing" and item.value.prep not in _WITHIN | set(around):
            return None
        if item.kind == "thing" and item.value.prep == "for" and item.value.article not in {"", "the"}:
            return None
        if item.kind == "thing" and item.value.article in {"a", "an", "some", "any"}:
            return None
        if item.kind == "thing" and (item.value.vague or item.value.abstract or item.value.is_property):
            return None
        self.drop(found)
        return {"thing": getattr(item.value, "words", ""), "rest": "rest"}.get(item.kind) or str(item.value)

    def _person(self) -> str | None:
        """ "Brighten her up", "sharpen him": taken."""
        for item in self.items:
            said = self.words[item.start].text
            if item.kind in {"det", "whole"} and said in {"her", "him"} and item.stop == item.start + 1:
                before = self.words[item.start - 1].text if item.start else ""
                if before not in {"behind", "under", "above", "below", "beside", "near", "around"}:
                    self.items.remove(item)
                    return said
        return None

    def beside(self) -> str | None:
        """ "(Too dark) under the table": a part of the picture that is told by what is next to it, taken."""
        found = [item for item in self.items if item.kind in {"thing", "place", "rest"} and not _is_whole(item)]
        if len(found) != 1 or found[0].kind != "thing":
            return None
        thing = found[0].value
        plain = not (thing.vague or thing.abstract or thing.is_property)
        if thing.prep not in _BESIDE or not plain or thing.article in {"a", "an", "some", "any"}:
            return None
        self.drop(found)
        return str(thing.words) if thing.prep in _NEAR else f"{thing.prep} the {thing.words}"

    def _outside(self) -> str | None:
        """ "Everything but the cat", "everything behind her", taken."""
        for one, other in pairwise(self.items):
            person = other.kind in {"unknown", "det", "whole"} and self.words[other.start].text in PERSONS
            if one.kind != "except" or not (person or other.kind in {"thing", "place"}):
                continue
            self.drop([one, other])
            words = (
                other.value.words if other.kind == "thing" else self.words[other.start].text if person else other.value
            )
            link = "everything behind" if one.value.endswith("behind") else "everything but"
            link = "behind" if one.value.startswith("what") and link.endswith("behind") else link
            return f"{link} {words if person else f'the {words}'}"
        return None

    def quantity(self, *units: str) -> Quantity | None:
        """A quantity in one of the units (all, where none is named), taken."""
        for item in self.items:
            if item.kind == "quantity" and (not units or item.value.unit in units):
                self.items.remove(item)
                found: Quantity = item.value
                return found
        return None

    def degree(self) -> str | None:
        """How much in words: tiny, small, medium, big or huge; the smallest of several, as "not too much" limits.

        "Quite heavily", "very strongly": one degree that the other raises.
        """
        said: list[str] = []
        last: Item | None = None
        for item in [item for item in self.items if item.kind == "degree"]:
            raised = last is not None and last.stop == item.start and self.words[last.start].text in _RAISING
            if raised and item.value in {"big", "huge"}:
                said[-1] = max(said[-1], item.value, key=DEGREES.index)
            else:
                said.append(item.value)
            last = item
        self.take_all("degree")
        return min(said, key=DEGREES.index) if said else None

    def direction(self) -> int:
        """+1 more, −1 less, 0 not said. Both at once stay unexplained."""
        said = set(self.all("direction"))
        if len(said) > 1:
            return 0
        self.take_all("direction")
        return said.pop() if said else 0

    def refers(self) -> bool:
        """Whether a pronoun is the object."""
        return any(item.kind == "whole" and item.value == "it" for item in self.items)


DEGREES = ("tiny", "small", "medium", "big", "huge")


def _is_picture(item: Item) -> bool:
    """ "The image" beside a thing: two objects. "In the image" is none."""
    return _is_whole(item) and not item.value.prep and bool(item.value.article)


def _is_whole(item: Item) -> bool:
    return isinstance(item.value, Thing) and item.value.whole


def _harmless(item: Item) -> bool:
    if item.kind == "prep":
        return item.value in _GRAMMATICAL
    if item.kind == "det":
        return item.value in _ARTICLES
    if _is_whole(item):
        return item.value.prep in _WITHIN | {"around", "with", "by"}
    return item.kind in HARMLESS


def inner_head(item: Item) -> Head | None:
    """What the words of a thing mean as an effect: "the blue cast", "the noise"."""
    thing = item.value
    if item.kind == "thing" and isinstance(thing, Thing) and thing.inner is not None and thing.inner.kind == "head":
        head: Head = thing.inner.value
        return head
    return None
