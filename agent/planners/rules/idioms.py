"""Words that mean something else together than alone, settled before any rule sees the clause.

"Take the chair out" takes out the chair; "remove the noise" is no removal; "4 by 5" is a ratio; "fix the colours" is what
one-click improvement does. Each function mends one kind of thing in place and decides nothing about steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from agent.planners.rules.clause import Clause
from agent.planners.rules.items import Item
from agent.planners.rules.lexicon import Head, colors, lexicon
from agent.planners.rules.nounphrases import Thing
from agent.planners.rules.places import place_at
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word

# --- words that belong together ---------------------------------------------------------------------------------------

_PARTICLES = {"out", "off", "away", "up", "down", "back", "around", "over", "in"}
_SPLIT = frozenset(listed("takes a particle"))


def gathered(words: Sequence[Word]) -> list[Word]:
    """ "Take the chair out" → "take out the chair": a verb and its particle side by side."""
    words = _plainly_colored(words)
    out = list(words)
    for i, verb in enumerate(words):
        if verb.text not in _SPLIT:
            continue
        for j in range(i + 2, len(words)):
            if words[j].text not in _PARTICLES or words[j - 1].text in {"the", "upside"}:
                continue
            entry = lexicon().longest([verb.text, words[j].text])
            follows = words[j + 1].text if j + 1 < len(words) else ""
            apart = follows not in {"the", "front"} and (follows != "of" or verb.text in {"take", "taking"})
            if entry is not None and len(entry.words) == 2 and apart:
                out.remove(words[j])
                out.insert(out.index(verb) + 1, words[j])
            break
        break
    return out


def _plainly_colored(words: Sequence[Word]) -> list[Word]:
    """ "The colour of sand", "sand in colour" → "sand"."""
    out = list(words)
    for at in range(len(out) - 2):
        if [word.text for word in out[at : at + 2]] == ["color", "of"]:
            name = [word for word in out[at + 2 :] if word.text not in {"the", "a"}][:1]
            if name and name[0].text in colors():
                first = at - 1 if at and out[at - 1].text in {"the", "a"} else at
                named = replace(name[0], text=colors()[name[0].text], kind="color")
                return [*out[:first], named, *out[out.index(name[0]) + 1 :]]
    return out


# --- words that mean something else together --------------------------------------------------------------------------

_MENDED = {"denoise", "adjust", "sharpen", "straighten"}
_CASTS = {"temperature", "tint"}


def settled(clause: Clause) -> Clause:
    """The clause with "remove the noise", "fix the colours", "enhance the contrast" turned into what they mean."""
    for settle in (
        _also,
        _corners,
        _likened,
        _sized_effect,
        _color_named,
        _looking,
        _cut_places,
        _lettered,
        _pointed,
        _numbers_apart,
        _removed_effect,
        _named_look,
        _softness,
        _halved,
        _pronounced_effect,
        _enhanced_property,
        _color_complaint,
        _repaired,
        _fixed_property,
        _cut_property,
    ):
        settle(clause)
    return clause


def _heads(clause: Clause, *tools: str) -> list[Item]:
    return [item for item in clause.items if item.kind == "head" and item.value.tool in tools]


def _swap(clause: Clause, old: Item, kind: str, value: object) -> None:
    clause.items[clause.items.index(old)] = replace(old, kind=kind, value=value)


def _inner(item: Item) -> Head | None:
    thing = item.value
    if item.kind == "thing" and isinstance(thing, Thing) and thing.inner is not None and thing.inner.kind == "head":
        head: Head = thing.inner.value
        return head
    return None


def _also(clause: Clause) -> None:
    """ "Blur it too", "a strong one"; "0.3 EV", "put it on white"."""
    for item, following in zip(list(clause.items), [*clause.items[1:], None], strict=True):
        if item.kind == "too" and item.value == "too" and (following is None or following.kind == "fill"):
            _swap(clause, item, "fill", "too")
    for item, one in zip(list(clause.items), clause.items[1:], strict=False):
        if one.kind == "vague" and one.value == "one" and item.kind in {"degree", "color", "adjective"}:
            _swap(clause, one, "fill", "one")
    stops = [item for item in clause.items if item.kind == "quantity" and item.value.unit == "stops"]
    if stops and not clause.has("head", "thing"):
        clause.items.append(replace(stops[0], kind="head", value=Head("adjust", "noun", {"exposure": 1})))


def _corners(clause: Clause) -> None:
    """ "Make the dark corners darker": more vignette, or with "brighter" less of it."""
    corners = [item for item in _heads(clause, "vignette") if item.value.form == "noun"]
    changes = [
        item
        for item in _heads(clause, "adjust")
        if set(item.value.args) == {"exposure"} and item.value.form in {"verb", "comparative"}
    ]
    if len(corners) != 1 or len(changes) != 1 or clause.has("conj"):
        return
    _swap(clause, corners[0], "head", Head("vignette", "noun", {"sign": -changes[0].value.args["exposure"]}))
    clause.drop(changes)


_LIKENED = {"shape", "ratio", "quantity", "size", "pixels"}


def _likened(clause: Clause) -> None:
    """ "As a passport photo", "like a wallpaper", "like 10 %", "twice as sharp"."""
    for item, following, after in zip(list(clause.items), clause.items[1:], [*clause.items[2:], None], strict=False):
        named = following if following.kind != "det" else after
        if item.kind != "unknown" or item.value not in {"as", "like"} or named is None:
            continue
        before = clause.items[clause.items.index(item) - 1]
        twice = before is not item and before.kind == "quantity" and before.value.unit == "times"
        look = named.kind == "head" and named.value.tool == "monochrome"
        if named.kind in _LIKENED | {"share of now"} or look or (twice and item.value == "as" and named.kind == "head"):
            _swap(clause, item, "fill", item.value)
        if twice and named.kind == "head" and named.value.tool in {"sharpen", "blur"}:
            _swap(clause, before, "degree", "big")


_SIZED = {"border", "vignette", "text"}


def _sized_effect(clause: Clause) -> None:
    """ "A bigger border", "a huge vignette": the size is the effect's."""
    for item, following in pairwise(list(clause.items)):
        sized = item.kind == "head" and item.value.tool == "resize" and item.value.form in {"adjective", "comparative"}
        if sized and following.kind == "head" and following.value.tool in _SIZED:
            _swap(clause, item, "degree", "big" if item.value.args.get("sign", 1) == 1 else "small")


def _color_named(clause: Clause) -> None:
    """ "Colour: white" is white."""
    for item, following in zip(list(clause.items), clause.items[1:], strict=False):
        if item.kind == "head" and clause.words[item.start].text == "color" and following.kind == "color":
            _swap(clause, item, "fill", "color")


def _looking(clause: Clause) -> None:
    """ "Sepia background", "blurry background": how a part should look; "cut out the background" is its removal."""
    things = [item for item in clause.items if item.kind == "thing"]
    cuts = [item for item in _heads(clause, "crop") if item.value.args.get("out")]
    if cuts and things and things[0].value.words in {"background", "backdrop"}:
        _swap(clause, cuts[0], "head", Head("remove"))
    if len(things) != 1 or clause.has("head"):
        return
    blurred, _, last = things[0].value.words.rpartition(" ")
    if last == "blur" and blurred in {"background", "foreground"}:
        _swap(
            clause,
            things[0],
            "thing",
            replace(things[0].value, words=blurred, parts=(blurred,), abstract=False, inner=None),
        )
        clause.items.append(replace(things[0], kind="head", value=Head("blur", "noun")))
        return
    first, _, rest = things[0].value.words.partition(" ")
    entry = lexicon().single(first)
    if entry is None or entry.kind != "head" or rest not in {"background", "backdrop", "sky", "foreground"}:
        return
    if entry.value.tool == "monochrome" or entry.value.args.get("instead") == "blur":
        tool = entry.value if entry.value.tool == "monochrome" else Head("blur")
        _swap(clause, things[0], "thing", replace(things[0].value, words=rest, parts=(rest,)))
        clause.items.append(replace(things[0], kind="head", value=tool))


def _cut_places(clause: Clause) -> None:
    """ "Lose the right quarter", "remove the bottom 10 %": a place with a share is cut off."""
    verbs = _heads(clause, "remove")
    places = [item for item in clause.items if item.kind in {"thing", "place"}]
    if not verbs or len(places) != 1 or len(clause.heads()) > 1:
        return
    words = places[0].value.words if places[0].kind == "thing" else places[0].value
    found = place_at(words.split(), 0)
    if found is not None and found[1] == len(words.split()) and (len(words.split()) > 1 or clause.has("quantity")):
        _swap(clause, places[0], "place", found[0])
        _swap(clause, verbs[0], "head", Head("crop", "verb", {"off": True}))


def _lettered(clause: Clause) -> None:
    """ "Big" is the size of the letters where there is something to write."""
    if clause.has("quote") or _heads(clause, "text"):
        for item in _heads(clause, "resize"):
            if item.value.form in {"adjective", "comparative"} and not clause.has("dim", "quantity"):
                _swap(clause, item, "degree", "big" if item.value.args.get("sign") == 1 else "small")


def _pointed(clause: Clause) -> None:
    """ "That part" is "it"."""
    for item in list(clause.items):
        if (
            item.kind == "thing"
            and item.value.article in {"that", "this"}
            and item.value.words in {"part", "area", "bit", "spot", "region"}
        ):
            _swap(clause, item, "whole", "it")


_RATIO_UP_TO = 50


def _numbers_apart(clause: Clause) -> None:
    """ "4 by 5", "5x7" are a ratio; "800 by 600 pixels", "800x600" a size."""
    for item in [item for item in clause.items if item.kind == "pixels"]:
        width, height = item.value.split("x")
        if max(int(width), int(height)) <= _RATIO_UP_TO:
            _swap(clause, item, "ratio", f"{width}:{height}")
    for one, between, other in zip(list(clause.items), clause.items[1:], clause.items[2:], strict=False):
        said = " ".join(word.text for word in clause.words[between.start : between.stop])
        if said not in {"by", "to", "x"} or one.kind != "quantity" or other.kind != "quantity":
            continue
        a, b = one.value, other.value
        if a.signed or b.signed or a.unit not in ("", "px") or b.unit not in ("", "px") or min(a.value, b.value) <= 0:
            continue
        small = max(a.value, b.value) <= _RATIO_UP_TO and not a.unit and not b.unit
        if said == "by" or small:
            value = f"{a.value:g}:{b.value:g}" if small else f"{a.value:.0f}x{b.value:.0f}"
            _swap(clause, one, "ratio" if small else "pixels", value)
            clause.drop([between, other])


def _removed_effect(clause: Clause) -> None:
    """ "Remove the noise" denoises, "remove the colour" greys, "remove the blue cast" warms."""
    verbs = _heads(clause, "remove")
    for item in _objects_of(verbs[0], clause) if verbs else ():
        before = clause.items[clause.items.index(item) - 1].kind
        named = item.kind == "head" and item not in verbs and (item.value.form in {"noun", "flaw"} or before == "det")
        head = _inner(item) if item.kind == "thing" else item.value if named else None
        if head is None:
            continue
        if head.tool == "blur":
            _swap(clause, item, "head", Head("sharpen", "flaw"))
            _swap(clause, verbs[0], "direction", -1)
        elif head.tool == "hue":
            _swap(clause, item, "head", head)
            _swap(clause, verbs[0], "direction", -1)
        elif head.tool in {"denoise", "sharpen", "straighten"} and head.form in {"noun", "flaw"}:
            _swap(clause, item, "head", head)
            _swap(clause, verbs[0], "direction", -1) if head.tool != "sharpen" or head.form == "flaw" else None
        elif head.tool == "vignette":
            _swap(clause, item, "head", Head("vignette", "noun", {"sign": -1}))
            _swap(clause, verbs[0], "fill", "remove")
        elif head.args.keys() == {"saturation"} and head.form == "noun":
            _swap(clause, item, "head", Head("monochrome", "adjective", {"tone": "neutral"}))
            _swap(clause, verbs[0], "fill", "remove")
        elif (head.form == "noun" and (set(head.args) <= _CASTS or head.args == {"contrast": -1}) and head.args) or (
            item.kind == "thing" and item.value.is_property
        ):
            _swap(clause, item, "head", head)
            _swap(clause, verbs[0], "direction", -1)
        return


def _objects_of(verb: Item, clause: Clause) -> list[Item]:
    """What stands after the verb; what stands before "get rid of it" or "gone", too."""
    after = clause.items[clause.items.index(verb) + 1 :]
    bare = not any(item.kind in {"thing", "head"} for item in after)
    return list(clause.items) if bare else after


def _named_look(clause: Clause) -> None:
    """ "Turn it into a sepia photo", "I want a brighter picture": the look that the new picture has."""
    for item in list(clause.items):
        if (
            item.kind != "thing"
            or not item.value.whole
            or item.value.article not in {"a", "an"}
            or not item.value.words
        ):
            continue
        entry = lexicon().longest(item.value.words.split())
        if entry is not None and entry.kind == "head" and " ".join(entry.words) == item.value.words:
            _swap(clause, item, "head", entry.value)


def _softness(clause: Clause) -> None:
    """ "A soft vignette" is a slight one."""
    for item, following in zip(list(clause.items), clause.items[1:], strict=False):
        if (
            item.kind == "head"
            and item.value.tool == "sharpen"
            and item.value.form == "flaw"
            and following.kind == "head"
        ):
            if clause.words[item.start].text == "soft" and following.value.tool != "adjust":
                _swap(clause, item, "degree", "small")
        light = item.kind == "head" and [word.text for word in clause.words[item.start : item.stop]] == ["light"]
        if light and following.kind == "head" and following.value.tool != "adjust":
            _swap(clause, item, "degree", "small")


def _halved(clause: Clause) -> None:
    """ "Half the saturation", "cut the contrast in half"."""
    nouns = [item for item in _heads(clause, "adjust") if item.value.form == "noun"]
    halves = [item for item in clause.items if item.kind == "quantity" and item.value.unit == "part"]
    if len(halves) == 1 and nouns and not clause.has("direction"):
        before = nouns[0].start > halves[0].start and clause.words[halves[0].stop].text == "the"
        if before or clause.says("in"):
            _swap(clause, halves[0], "quantity", replace(halves[0].value, value=-halves[0].value.value, signed=True))


def _pronounced_effect(clause: Clause) -> None:
    """After other verbs a phrase that names an effect is the effect: "give it the sepia look"."""
    taking = bool(_heads(clause, "remove", "blur", "sharpen", "denoise", "crop"))
    for item in list(clause.items):
        head = _inner(item)
        if head is not None and (not taking or (head.tool == "crop" and _heads(clause, "crop"))):
            _swap(clause, item, "head", head)


_TINGES = {
    "blue": ("temperature", -1),
    "yellow": ("temperature", 1),
    "orange": ("temperature", 1),
    "red": ("temperature", 1),
    "green": ("tint", -1),
    "pink": ("tint", 1),
    "magenta": ("tint", 1),
    "purple": ("tint", 1),
}


def _color_complaint(clause: Clause) -> None:
    """ "Everything is blue": the whole picture has a cast; "tint slightly green" says where to."""
    if any("tint" in head.args and head.form == "noun" for head in clause.heads("adjust")) and not clause.has(
        "direction"
    ):
        for item in [item for item in clause.items if item.kind == "color"]:
            tinge = _TINGES.get(clause.words[item.stop - 1].text)
            if tinge and tinge[0] == "tint":
                _swap(clause, item, "head", Head("adjust", "comparative", dict([tinge])))
    if not clause.has("be") or clause.has("make", "add", "should", "thing", "head", "place"):
        return
    for item in list(clause.items):
        tinge = _TINGES.get(clause.words[item.stop - 1].text) if item.kind == "color" else None
        if tinge:
            _swap(clause, item, "head", Head("adjust", "adjective", dict([tinge])))


def _enhanced_property(clause: Clause) -> None:
    """ "Enhance the contrast" wants more of it."""
    verbs = [item for item in _heads(clause, "auto") if item.value.form == "verb"]
    nouns = [item for item in _heads(clause, "adjust", "sharpen") if item.value.form == "noun"]
    if not verbs or not nouns:
        return
    said = {clause.words[item.stop - 1].text for item in nouns}
    if said <= {"exposure", "lighting", "light"} and not clause.has("degree", "quantity"):
        clause.drop(nouns)
    else:
        _swap(clause, verbs[0], "direction", 1)


_REPAIRED = frozenset(listed("is repaired by removing it"))


def _repaired(clause: Clause) -> None:
    """ "Fix the tilted horizon", "correct the tilt", "clean up the scratches"."""
    fixes = [item for item in clause.items if item.kind == "fix"]
    effects = clause.has("head") or any(_inner(item) for item in clause.items)
    if fixes and fixes[0].value.startswith("smooth") and clause.has("thing") and not effects:
        _swap(clause, fixes[0], "head", Head("blur"))
    for item in list(clause.items) if fixes else ():
        if item.kind == "thing" and item.value.words in {"horizon", "horizon line"} and not effects:
            _swap(clause, item, "head", Head("straighten", "flaw"))
            continue
        if item.kind == "head" and item.value.tool == "rotate" and clause.says("tilt"):
            _swap(clause, item, "head", Head("straighten", "flaw"))
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
            _swap(clause, item, "head", entry.value)
        elif item.value.parts[0].split()[0] in _REPAIRED or item.value.words.split()[-1] in _REPAIRED:
            _swap(clause, fixes[0], "head", Head("remove"))


def _fixed_property(clause: Clause) -> None:
    """ "Fix the colours" is what one-click improvement does; "fix the tilt" is not."""
    fixes = [item for item in clause.items if item.kind == "fix"]
    nouns = [item for item in _heads(clause, "adjust") if item.value.form == "noun"]
    if not fixes or not nouns or clause.has("direction", "degree", "quantity"):
        return
    if any(set(item.value.args) & {"highlights", "shadows"} or item.value.args.get("contrast") for item in nouns):
        return
    if any(set(item.value.args) <= _CASTS for item in nouns) and not clause.says("balance", "temperature"):
        _swap(clause, fixes[0], "direction", -1)
        return
    clause.drop(nouns)
    _swap(clause, fixes[0], "head", Head("auto"))


def _cut_property(clause: Clause) -> None:
    """ "Cut the contrast", "soften the colours": lower them."""
    verbs = [
        item
        for item in _heads(clause, "crop", "blur")
        if clause.words[item.start].text.startswith(("cut", "soften", "trim"))
    ]
    for item in list(clause.items) if verbs else ():
        head = _inner(item)
        if head is not None and item.value.is_property:
            _swap(clause, item, "head", head)
    if verbs and _heads(clause, "adjust"):
        _swap(clause, verbs[0], "direction", -1)
