"""Clauses about things and words in the picture → remove, replace_background, text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from agent.plan import Candidate
from agent.planners.rules.clause import Clause, Draft, Need
from agent.planners.rules.items import Item
from agent.planners.rules.lexicon import colors
from agent.planners.rules.nounphrases import Thing

REMOVE_WHAT = Need("What should be removed?", "region", free=True)
WHICH_COLOR = Need(
    "Which colour should the background have?",
    "args.color",
    tuple(Candidate(label=name, value=colors()[name]) for name in ("white", "black", "gray", "light blue")),
)
IN_WHICH_CORNER = Need(
    "In which corner?",
    "args.at",
    tuple(Candidate(label=corner, value=corner) for corner in ("bottom right", "bottom left", "top right", "top left")),
)
WRITE_WHAT = Need("What should it say?", "args.text", free=True)
_BACKGROUNDS = {"background", "backdrop"}
_AT = {
    "middle": "center",
    "top middle": "top",
    "bottom middle": "bottom",
    "middle left": "left",
    "middle right": "right",
}


def remove(clause: Clause) -> list[Draft] | None:
    """Erase what is named; several things are several steps."""
    if clause.tools() != {"remove"} or clause.has("not", "too", "except", "quote"):
        return None
    verb = next(item for item in clause.items if item.kind == "head")
    if clause.has("be") and verb.value.form == "noun" and not clause.wished and not clause.says("wish", "would", "if"):
        return None
    clause.take_all("head", "degree")
    things = [item for item in clause.items if item.kind == "thing" and not item.value.whole]
    if len({item.start > verb.start for item in things}) > 1:
        return None
    if any(_background(item.value) or _ends_in_background(item.value) for item in things):
        return background(clause)
    if not things and any(
        item.kind == "thing" or item.value == "picture" for item in clause.items if item.kind in {"thing", "whole"}
    ):
        return None
    if not things and not clause.has("place") and not clause.says("kill") and (person := clause.region()):
        return [Draft("remove", region=person)]
    if not things or all(item.value.vague for item in things):
        clause.take_all("thing", "place", "vague")
        return [Draft("remove", need=REMOVE_WHAT, refers=clause.refers())]
    where = clause.take("place")
    joined = len(things) == 1 or (not where and all(_linked(clause, *pair) for pair in pairwise(things)))
    if not joined or not all(_removable(item.value) for item in things):
        return None
    also = [Draft("remove", need=REMOVE_WHAT, refers=True)] if _it_first(clause, verb, things) else []
    clause.drop(things)
    parts = [part for item in things for part in item.value.parts]
    return [*also, *(Draft("remove", region=f"{part} {where}" if where else part) for part in parts)]


def _linked(clause: Clause, one: Item, other: Item) -> bool:
    """Whether "and" stands between two things; in "my dog left hair on the sofa" none does."""
    return any(item.kind == "conj" and one.start < item.start < other.start for item in clause.items)


def _it_first(clause: Clause, verb: Item, things: Sequence[Item]) -> bool:
    """ "Get rid of it and the sign"."""
    its = [item.start for item in clause.items if item.kind == "whole" and item.value == "it"]
    return bool(its) and clause.has("conj") and all(verb.start < its[0] < item.start for item in things)


def _removable(thing: Thing) -> bool:
    """Something a photo shows, and the object of the verb: "the cup", but not "the contrast" or "in the sky"."""
    return thing.prep in {"", "from", "of"} and not (thing.abstract or thing.vague or thing.is_property)


def background(clause: Clause) -> list[Draft] | None:
    """A plain colour behind the subject."""
    if (painted := _painted_behind(clause)) is not None:
        return painted
    _another_color(clause)
    heads = clause.heads()
    if {head.tool for head in heads} - {"replace_background", "remove"} or clause.has("not", "too", "except", "quote"):
        return None
    another = clause.says("another")
    clause.take_all("direction") if another else None
    things = [item for item in clause.items if item.kind == "thing" and not item.value.whole]
    placed = clause.says("put", "place", "set") and clause.says("on", "against") and clause.has("whole") and not heads
    if clause.has("color") and (clause.says("isolate", "isolated") or placed):
        clause.drop(things)
        return [Draft("replace_background", {"color": clause.take("color")})] if placed else _behind(clause)
    removing = any(head.tool == "remove" for head in heads)
    named = [item for item in things if _background(item.value) or (removing and _ends_in_background(item.value))]
    if not named and not any(head.tool == "replace_background" for head in heads):
        return None
    other = [item for item in clause.items if item.kind == "unknown" and item.value in _OTHER]
    other += [item for item in named if set(item.value.words.split()) & _OTHER]
    clause.drop([item for item in other if item.kind == "unknown"])
    found = clause.take_all("color")
    if not found and not removing:
        found = [color for item in named if (color := _color_of(item.value))]
    exact = [word.text for word in clause.words if word.kind == "color"]
    said = exact or list(dict.fromkeys(found))
    if len(said) > 1 or (not said and not heads and not other and not another):
        return None
    clause.take_all("head")
    clause.drop(named)
    if not said:
        return [Draft("replace_background", need=WHICH_COLOR)]
    return [Draft("replace_background", {"color": said[0]})]


def _painted_behind(clause: Clause) -> list[Draft] | None:
    """ "Cut the dog out and put it on white", "black behind her", "replace everything behind her with white"."""
    colors_said = clause.all("color")
    if len(colors_said) != 1 or clause.has("not", "too", "quote", "ref", "quantity"):
        return None
    cuts = [item for item in clause.head_items("crop", "remove") if item.value.form == "verb"]
    things = [item for item in clause.items if item.kind == "thing" and not item.value.whole]
    placed = clause.says("on", "onto", "against") and len(things) == 1 and not things[0].value.prep
    if (
        len(clause.heads()) == len(cuts) == 1
        and clause.says("out")
        and placed
        and things[0].value.words != "background"
    ):
        clause.take_all("head", "thing", "color", "insert")
        return [Draft("replace_background", {"color": colors_said[0]})]
    behind = any(
        clause.words[item.start].text == "behind" or str(item.value).endswith("behind") for item in clause.items
    )
    replaces = clause.says("replace", "swap", "make", "turn", "put", "fill", "paint", "want") or not clause.has(
        "head", "be"
    )
    if (
        clause.heads("replace_background", "crop", "adjust", "text", "border")
        or not behind
        or not replaces
        or len(things) > 1
    ):
        return None
    if clause.has("head") and not clause.says("replace", "swap"):
        return None
    clause.take_all("head", "except", "thing", "color", "change")
    clause.items = [
        item
        for item in clause.items
        if not (item.kind == "prep" and item.value == "behind")
        and clause.words[item.start].text not in {"her", "him", "them", "replace", "swap"}
    ]
    return [Draft("replace_background", {"color": colors_said[0]})]


def _another_color(clause: Clause) -> None:
    """ "Change the background to another colour": which one, is not said."""
    if not clause.heads("replace_background") or clause.has("color"):
        return
    named = [item for item in clause.head_items("adjust") if clause.words[item.stop - 1].text in {"color", "colors"}]
    if len(named) == len(clause.head_items("adjust")) == 1:
        clause.drop(named)
        clause.take_all("direction")


def _behind(clause: Clause) -> list[Draft]:
    """ "Isolate the cat on white"."""
    clause.take_all("head")
    return [Draft("replace_background", {"color": clause.take("color")})]


def _background(thing: Thing) -> bool:
    """ "Background", "white background", "background colour", "the cat on a black background"."""
    words = re.sub(r" (?:color|behind .+)$", "", thing.words).split()
    while len(words) > 1 and words[0] in _PRESENT | _OTHER:
        words.pop(0)
    return bool(words) and words[-1] in _BACKGROUNDS and (len(words) == 1 or _color_of(thing) is not None)


def _ends_in_background(thing: Thing) -> bool:
    """ "The outdoor background", but not "the lamp in the background"."""
    return bool(
        re.fullmatch(r"(?:(?!in |on |at |of |behind |near )\S+ )*background(?: (?:around|behind|of) .+)?", thing.words)
    )


_OTHER = {"different", "new", "another", "other", "nicer", "better", "plain", "simple", "clean", "solid"}
_PRESENT = {
    "whole",
    "entire",
    "current",
    "existing",
    "old",
    "original",
    "busy",
    "ugly",
    "boring",
    "distracting",
    "messy",
    "full",
    "complete",
}


def _color_of(thing: Thing) -> str | None:
    named = re.sub(r" behind .+$", "", thing.words).rpartition(" ")[0]
    return colors().get(re.sub(r"^.* (?:on|against|in front of) (?:an? |the )?", "", named))


_NAMED = {
    "name",
    "title",
    "slogan",
    "motto",
    "brand",
    "website",
    "address",
    "number",
    "initials",
    "date",
    "hashtag",
    "handle",
    "url",
    "line",
    "sign",
    "price",
}


def text(clause: Clause) -> list[Draft] | None:
    """Words on the picture, at a place, in a colour."""
    quotes = clause.take_all("quote")
    _on_top(clause)
    if quotes:
        _below(clause)
    if clause.tools() - {"text"} or clause.has("not", "too") or len(quotes) > 1:
        return None
    named = [
        item
        for item in clause.items
        if item.kind == "thing" and item.value.words.split()[-1:] and item.value.words.split()[-1] in _NAMED
    ]
    if not quotes and not clause.heads("text") and not (named and clause.has("add", "insert")):
        return None
    told = clause.has("add", "make", "head", "place", "color", "size") or (clause.wished and clause.says("say", "read"))
    if quotes and not (told or len(clause.items) == 0):
        return None
    clause.take_all("head", "degree")
    if corner := _corner(clause):
        need = IN_WHICH_CORNER if quotes else WRITE_WHAT
        clause.drop([corner])
        clause.take_all("direction")
        return [Draft("text", {"text": quotes[0]} if quotes else {}, need=need)]
    if not quotes:
        clause.take_all("vague")
        clause.take_all("direction") if clause.says("add", "put") else None
        clause.drop([item for item in clause.items if item.kind == "thing" and item.value.vague])
    first = clause.items[0] if clause.items else None
    if first is not None and first.kind == "thing" and not first.value.article and not first.value.prep:
        clause.drop([first])
    clause.drop(named)
    args: dict[str, Any] = {"text": quotes[0]} if quotes else {}
    places = [place for place in clause.take_all("place") if place] or [_side(clause)]
    if len(places) == 2 and "middle" in places:
        places.remove("middle")
    if len(places) > 1:
        return None
    place = places[0]
    if place:
        args["at"] = _AT.get(place, place.removesuffix(" edge"))
    color, size = clause.take("color"), clause.take("size") or _letter_size(clause)
    args |= {} if color is None else {"color": color}
    args |= {} if size is None else {"size": size}
    return [Draft("text", args, need=None if quotes else WRITE_WHAT)]


def _on_top(clause: Clause) -> None:
    """ "On top" of words is where they stand; of anything else it means "also"."""
    for item in list(clause.items):
        if item.kind == "fill" and item.value == "on top" and not clause.has("place"):
            clause.swap(item, "place", "top")


_HEIGHTS = {"below": "bottom", "underneath": "bottom", "beneath": "bottom", "above": "top"}


def _below(clause: Clause) -> None:
    """ "Below in white", "below in the picture": of nothing that is named, so at the bottom of the picture."""
    for item, after in zip(list(clause.items), [*clause.items[1:], None], strict=False):
        alone = after is None or after.kind in {"color", "prep", "fill", "quote", "det", "head"}
        alone |= after is not None and isinstance(after.value, Thing) and after.value.whole and after.value.prep == "in"
        if item.kind == "prep" and item.value in _HEIGHTS and alone and not clause.has("place"):
            clause.swap(item, "place", _HEIGHTS[item.value])


def _corner(clause: Clause) -> Item | None:
    """ "In the corner", without saying in which."""
    if clause.has("place"):
        return None
    corners = (
        item for item in clause.items if item.kind == "thing" and item.value.words in {"corner", "one corner", "side"}
    )
    return next(corners, None)


_LETTER_SIZES = {"small": 0.04, "tiny": 0.03, "little": 0.04, "big": 0.12, "large": 0.12, "huge": 0.18}


def _letter_size(clause: Clause) -> float | None:
    """ "Small white letters"."""
    said = [size for word, size in _LETTER_SIZES.items() if clause.says(word)]
    clause.items = [item for item in clause.items if not (item.kind == "adjective" and item.value in _LETTER_SIZES)]
    return said[0] if said else None


def _side(clause: Clause) -> str | None:
    turn = clause.take("turn")
    return {1: "right", -1: "left"}.get(turn)
