"""Idioms of removal and repair: "take the chair off the wall", "remove the noise", "fix the colours", "cut the
contrast".

Each function mends one kind of thing in a clause in place, as those of `idioms`, and decides nothing about steps.
"""

from __future__ import annotations

import re
from dataclasses import replace

from agent.planners.rules.clause import Clause, inner_head
from agent.planners.rules.items import Item
from agent.planners.rules.lexicon import Head, lexicon
from agent.planners.rules.places import place_at
from agent.planners.rules.tables import listed

_CASTS = {"temperature", "tint"}


def cut_places(clause: Clause) -> None:
    """ "Lose the right quarter", "remove the bottom 10 %": a place with a share is cut off."""
    verbs = clause.head_items("remove")
    places = [item for item in clause.items if item.kind in {"thing", "place"}]
    if not verbs or len(places) != 1 or len(clause.heads()) > 1:
        return
    words = places[0].value.words if places[0].kind == "thing" else places[0].value
    found = place_at(words.split(), 0)
    if found is not None and found[1] == len(words.split()) and (len(words.split()) > 1 or clause.has("quantity")):
        clause.swap(places[0], "place", found[0])
        clause.swap(verbs[0], "head", Head("crop", "verb", {"off": True}))


_TAKING = {"take", "get", "clean", "wipe", "lift", "move", "pull", "clear", "scrub", "keep"}


def _takes(item: Item) -> bool:
    """A verb of many uses; "clear" is one, too."""
    return item.kind in {"make", "fix", "direction"} or item.value == Head("sharpen", "adjective")


_SIDES = {"side", "sides", "edge", "edges", "top", "bottom", "left", "right"}
_SLICING = {"take", "shave", "slice", "lose", "drop", "knock", "get", "lop", "snip", "chop", "cut", "trim"}


def sliced(clause: Clause) -> None:
    """ "Take 20 % off the top", "shave a tenth off the left side", "drop the right third": it is cropped."""
    first = next((item for item in clause.items if clause.words[item.start].text in _SLICING), None)
    share = [q for q in clause.all("quantity") if q.unit in {"percent", "part"}]
    places = clause.all("place")
    if (
        first is None
        or clause.has("thing", "color")
        or len(places) != 1
        or len(clause.heads()) > (first.kind == "head")
    ):
        return
    side = places[0].split()[0]
    off = clause.says("off", "from", "away")
    if (
        first.kind in {"make", "direction", "unknown", "head"}
        and side in _SIDES
        and (
            (share and off)
            or (first.kind == "direction" and places[0].split()[-1] in {"half", "third", "quarter", "thirds"})
        )
    ):
        clause.swap(first, "head", Head("crop", "verb", {"off": True}))
        clause.items = [item for item in clause.items if not (item.kind == "unknown" and item.value in {"off", "away"})]


def taken_off(clause: Clause) -> None:
    """ "Take the calendar off the wall", "get the scooter out of there", "take off the collar tag": it is removed."""
    things = [item for item in clause.items if item.kind == "thing" and not item.value.whole]
    offs = [item for item in clause.head_items("crop") if item.value.args.get("off")]
    if offs and clause.words[offs[0].start].text.startswith("tak") and things and not clause.has("quantity", "place"):
        if not things[0].value.prep and things[0].value.words.split()[-1] not in {
            "side",
            "sides",
            "edge",
            "edges",
            "top",
            "bottom",
            "bit",
        }:
            clause.swap(offs[0], "head", Head("remove"))
        return
    verbs = [item for item in clause.items if _takes(item) and clause.words[item.start].text in _TAKING]
    others = [item for item in clause.items if item.kind == "head" and item not in verbs]
    if not verbs or not things or others or things[0].value.prep or things[0].start < verbs[0].start:
        return
    inside = re.match(r"(.+?) (?:out of|off) ", things[0].value.words)
    if inside and len(things) == 1:
        clause.swap(verbs[0], "head", Head("remove"))
        clause.swap(things[0], "thing", replace(things[0].value, words=inside[1], parts=(inside[1],)))
        return
    away = [
        item
        for item in clause.items
        if item.kind in {"prep", "unknown"}
        and item.start >= things[0].stop
        and item.value in {"off", "out", "off of", "out of"}
    ]
    far = [item for item in things[1:] if item.value.prep in {"off", "off of", "out of", "from"}]
    if not (away or far) or things[0].value.is_property or things[0].value.abstract:
        return
    clause.swap(verbs[0], "head", Head("remove"))
    clause.drop([*away, *far, *(item for item in things[1:] if away and item.start > away[0].start)])


def removed_effect(clause: Clause) -> None:
    """ "Remove the noise" denoises, "remove the colour" greys, "remove the blue cast" warms."""
    verbs = clause.head_items("remove")
    marks = [item for item in clause.items if item.kind == "head" and clause.words[item.stop - 1].text in _REPAIRED]
    if len(verbs) == len(marks) == 1 and marks[0].start > verbs[0].start:
        return
    for item in _objects_of(verbs[0], clause) if verbs else ():
        before = clause.items[clause.items.index(item) - 1].kind
        before = "det" if clause.words[item.start - 1].text == "the" else before
        named = item.kind == "head" and item not in verbs and (item.value.form in {"noun", "flaw"} or before == "det")
        head = inner_head(item) if item.kind == "thing" else item.value if named else None
        if head is None or (item.kind == "thing" and item.value.words.split()[-1] in _REPAIRED):
            continue
        if head.tool == "blur":
            clause.swap(item, "head", Head("sharpen", "flaw"))
            clause.swap(verbs[0], "direction", -1)
        elif head.tool == "hue":
            clause.swap(item, "head", head)
            clause.swap(verbs[0], "direction", -1)
        elif head.tool in {"denoise", "sharpen", "straighten"} and head.form in {"noun", "flaw"}:
            clause.swap(item, "head", head)
            clause.swap(verbs[0], "direction", -1) if head.tool != "sharpen" or head.form == "flaw" else None
        elif head.tool == "vignette":
            clause.swap(item, "head", Head("vignette", "noun", {"sign": -1}))
            clause.swap(verbs[0], "fill", "remove")
        elif head.args.keys() == {"saturation"} and head.form == "noun" and _some(clause):
            clause.swap(verbs[0], "direction", -1)
            clause.swap(item, "head", head)
        elif head.args.keys() == {"saturation"} and head.form == "noun":
            clause.swap(item, "head", Head("monochrome", "adjective", {"tone": "neutral"}))
            clause.swap(verbs[0], "fill", "remove")
        elif (
            head.form in {"noun", "adjective"}
            and (set(head.args) <= _CASTS or head.args == {"contrast": -1})
            and head.args
        ) or (item.kind == "thing" and item.value.is_property):
            clause.swap(item, "head", head)
            clause.swap(verbs[0], "direction", -1)
        return


def _some(clause: Clause) -> bool:
    """Whether only a part of it is meant: "take some of the colour out"."""
    return clause.has("degree", "quantity") or clause.says("some")


def _objects_of(verb: Item, clause: Clause) -> list[Item]:
    """What stands after the verb; what stands before "get rid of it" or "gone", too."""
    after = clause.items[clause.items.index(verb) + 1 :]
    bare = not any(item.kind in {"thing", "head"} for item in after)
    return list(clause.items) if bare else after


def halved(clause: Clause) -> None:
    """ "Half the saturation", "cut the contrast in half"."""
    nouns = [item for item in clause.head_items("adjust") if item.value.form == "noun"]
    halves = [item for item in clause.items if item.kind == "quantity" and item.value.unit == "part"]
    if len(halves) == 1 and nouns and not clause.has("direction"):
        before = nouns[0].start > halves[0].start and clause.words[halves[0].stop].text == "the"
        if before or clause.says("in"):
            clause.swap(halves[0], "quantity", replace(halves[0].value, value=-halves[0].value.value, signed=True))


def enhanced_property(clause: Clause) -> None:
    """ "Enhance the contrast" wants more of it."""
    verbs = [item for item in clause.head_items("auto") if item.value.form == "verb"]
    nouns = [item for item in clause.head_items("adjust", "sharpen") if item.value.form == "noun"]
    if not verbs or not nouns:
        return
    said = {clause.words[item.stop - 1].text for item in nouns}
    if said <= {"exposure", "lighting", "light"} and not clause.has("degree", "quantity"):
        clause.drop(nouns)
    else:
        clause.swap(verbs[0], "direction", 1)


_REPAIRED = frozenset(listed("is repaired by removing it"))


def repaired(clause: Clause) -> None:
    """ "Fix the tilted horizon", "correct the tilt", "clean up the scratches"."""
    fixes = [item for item in clause.items if item.kind == "fix"]
    effects = clause.has("head") or any(inner_head(item) for item in clause.items)
    if fixes and fixes[0].value.startswith("smooth") and clause.has("thing") and not effects:
        clause.swap(fixes[0], "head", Head("blur"))
    for item in list(clause.items) if fixes else ():
        if item.kind == "thing" and item.value.words in {"horizon", "horizon line"} and not effects:
            clause.swap(item, "head", Head("straighten", "flaw"))
            continue
        if item.kind == "head" and item.value.tool == "rotate" and clause.says("tilt"):
            clause.swap(item, "head", Head("straighten", "flaw"))
        if item.kind != "thing" or not item.value.words:
            continue
        first, _, last = item.value.words.partition(" ")
        entry = lexicon().single(first)
        if (
            entry is not None
            and entry.kind == "head"
            and entry.value.form == "flaw"
            and (item.value.whole or last == "horizon")
        ):
            clause.swap(item, "head", entry.value)
        elif item.value.parts[0].split()[0] in _REPAIRED or item.value.words.split()[-1] in _REPAIRED:
            clause.swap(fixes[0], "head", Head("remove"))
            return


def fixed_property(clause: Clause) -> None:
    """ "Fix the colours" is what one-click improvement does; "fix the tilt" is not."""
    fixes = [item for item in clause.items if item.kind == "fix"]
    nouns = [item for item in clause.head_items("adjust") if item.value.form == "noun"]
    if not fixes or not nouns or clause.has("direction", "degree", "quantity"):
        return
    if any(set(item.value.args) & {"highlights", "shadows"} or item.value.args.get("contrast") for item in nouns):
        return
    if any(set(item.value.args) <= _CASTS for item in nouns) and not clause.says("balance", "temperature"):
        clause.swap(fixes[0], "direction", -1)
        return
    clause.drop(nouns)
    clause.swap(fixes[0], "head", Head("auto"))


def cut_property(clause: Clause) -> None:
    """ "Cut the contrast", "soften the colours": lower them."""
    verbs = [
        item
        for item in clause.head_items("crop", "blur")
        if clause.words[item.start].text.startswith(("cut", "soften", "trim"))
    ]
    for item in list(clause.items) if verbs else ():
        head = inner_head(item)
        if head is not None and item.value.is_property:
            clause.swap(item, "head", head)
    if verbs and clause.head_items("adjust"):
        clause.swap(verbs[0], "direction", -1)
