"""Words that mean something else together than alone, settled before any rule sees the clause.

"Take the chair out" takes out the chair; "remove the noise" is no removal; "4 by 5" is a ratio; "fix the colours" is what
one-click improvement does. Each function mends one kind of thing in place and decides nothing about steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from agent.planners.rules import repairs
from agent.planners.rules.clause import Clause, inner_head
from agent.planners.rules.lexicon import Head, colors, lexicon
from agent.planners.rules.tables import listed
from agent.planners.rules.words import Word

# --- words that belong together ---------------------------------------------------------------------------------------

_PARTICLES = {"out", "off", "away", "up", "down", "back", "around", "over", "in"}
_SPLIT = frozenset(listed("takes a particle"))


def gathered(words: Sequence[Word]) -> list[Word]:
    """ "Take the chair out" → "take out the chair": a verb and its particle side by side."""
    words = _plainly_colored(_without_where(words))
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


def _without_where(words: Sequence[Word]) -> Sequence[Word]:
    """ "The top right where the lamp is": where that is has been said."""
    texts = [word.text for word in words]
    for at in range(2, len(texts) - 2):
        if texts[at] == "where" and texts[at + 1] in {"the", "my", "his", "her", "their", "it", "you", "that", "all"}:
            return words[:at]
    return words


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


def settled(clause: Clause) -> Clause:
    """The clause with "remove the noise", "fix the colours", "enhance the contrast" turned into what they mean."""
    for settle in (
        _also,
        _gone,
        _has_cast,
        _rated,
        _caused,
        _corners,
        _likened,
        _sized_effect,
        _color_named,
        _looking,
        repairs.cut_places,
        _lettered,
        _pointed,
        _numbers_apart,
        repairs.taken_off,
        repairs.removed_effect,
        _named_look,
        _softness,
        repairs.halved,
        _pronounced_effect,
        repairs.enhanced_property,
        _color_complaint,
        repairs.repaired,
        repairs.fixed_property,
        repairs.cut_property,
    ):
        settle(clause)
    return clause


def _also(clause: Clause) -> None:
    """ "Blur it too", "a strong one"; "0.3 EV", "put it on white"."""
    for item, following in zip(list(clause.items), [*clause.items[1:], None], strict=True):
        if item.kind == "too" and item.value == "too" and (following is None or following.kind == "fill"):
            clause.swap(item, "fill", "too")
    for item, one in zip(list(clause.items), clause.items[1:], strict=False):
        if one.kind == "vague" and one.value == "one" and item.kind in {"degree", "color", "adjective"}:
            clause.swap(one, "fill", "one")
    stops = [item for item in clause.items if item.kind == "quantity" and item.value.unit == "stops"]
    if stops and not clause.has("head", "thing"):
        clause.items.append(replace(stops[0], kind="head", value=Head("adjust", "noun", {"exposure": 1})))


def _gone(clause: Clause) -> None:
    """ "Can the cup go", "the noise can go": it is not wanted any more."""
    ends = [item for item in clause.items if item.kind != "fill"]
    asked = clause.says("can", "could", "should", "must", "may", "needs", "has", "have", "let") and len(ends) > 1
    if asked and ends[-1].kind == "history" and clause.words[ends[-1].start].text == "go" and ends[0].start < ends[-1].start:
        clause.swap(ends[-1], "head", Head("remove", "noun"))


_CASTING = {"cast", "tint", "tinge", "hue", "haze", "noise", "glow"}
_HAVING = {"has", "have", "got", "there", "shows"}


def _has_cast(clause: Clause) -> None:
    """ "It has a slight magenta cast", "there is a yellow tint": it is complained of."""
    if clause.has("direction", "fix", "add", "make", "not", "too") or not clause.says(*_HAVING):
        return
    casts = [
        item
        for item in clause.head_items("adjust")
        if item.value.form == "noun" and clause.words[item.stop - 1].text in _CASTING
    ]
    verbs = [item for item in clause.items if clause.words[item.start].text in _HAVING and item.kind in {"unknown", "fill", "be"}]
    if len(casts) != 1 or not verbs or verbs[0].start > casts[0].start:
        return
    clause.swap(casts[0], "head", replace(casts[0].value, form="adjective"))
    clause.swap(verbs[0], "be", "has")
    clause.drop([item for item in clause.items if item.kind == "unknown" and clause.words[item.start].text in _HAVING])


_POOR = {"weak", "low", "poor", "faint", "lacking", "missing"}
_RICH = {"strong", "high", "intense", "extreme", "heavy", "hot", "much"}


def _rated(clause: Clause) -> None:
    """ "The contrast is weak", "the highlights are a touch hot": too little of it, too much of it."""
    nouns = [item for item in clause.head_items("adjust") if item.value.form == "noun"]
    if not nouns or len(clause.head_items("adjust")) > len(nouns) or not clause.has("be") or clause.has("too", "not", "make"):
        return
    verb = next(item for item in clause.items if item.kind == "be")
    said = [item for item in clause.items if item.kind in {"degree", "unknown", "adjective"} and item.start > verb.start]
    last = clause.words[said[-1].stop - 1].text if said else ""
    if verb.start > nouns[0].start and last in _POOR | _RICH:
        clause.swap(said[-1], "too" if last in _RICH else "lacking", last)


_CAUSING = {"makes", "make", "made", "turns", "turned", "leaves", "left"}


def _cause(clause: Clause) -> None:
    """ "My lens makes the corners dark", "the neon lights make it green": how it looks, and not what is wanted."""
    verb = next((item for item in clause.items if clause.words[item.start].text in _CAUSING and item.start), None)
    if verb is None or verb.kind not in {"make", "unknown", "turn", "thing"} or clause.has("add", "fix", "should", "direction"):
        return
    before = [item for item in clause.items if item.stop <= verb.start and item.kind not in {"fill", "det"}]
    named = len(before) == 1 and before[0].kind == "thing" and not before[0].value.prep and not before[0].value.whole
    after = [item for item in clause.items if item.start > verb.start]
    formed = [item for item in after if item.kind == "head" and item.value.form in {"adjective", "flaw"}]
    colored = [item for item in after if item.kind == "color"]
    about = any(item.kind in {"whole", "thing"} for item in after)
    if named and about and len(formed) + len(colored) == 1:
        clause.drop(before)
        clause.swap(verb, "be", "makes")


def _caused(clause: Clause) -> None:
    """ "Too much purple from the stage lights": from where a flaw comes is not where it is."""
    _cause(clause)
    if clause.has("too", "be") and not clause.has("make", "add", "fix"):
        clause.drop(
            [
                item
                for item in clause.items
                if item.kind == "thing" and item.value.prep in {"from", "due to", "because of"}
            ]
        )


def _corners(clause: Clause) -> None:
    """ "Make the dark corners darker": more vignette, or with "brighter" less of it."""
    corners = [item for item in clause.head_items("vignette") if item.value.form == "noun"]
    changes = [
        item
        for item in clause.head_items("adjust")
        if set(item.value.args) == {"exposure"} and item.value.form in {"verb", "comparative"}
    ]
    if len(corners) != 1 or len(changes) != 1 or clause.has("conj"):
        return
    clause.swap(corners[0], "head", Head("vignette", "noun", {"sign": -changes[0].value.args["exposure"]}))
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
            clause.swap(item, "fill", item.value)
        if twice and named.kind == "head" and named.value.tool in {"sharpen", "blur"}:
            clause.swap(before, "degree", "big")


_SIZED = {"border", "vignette", "text"}


def _sized_effect(clause: Clause) -> None:
    """ "A bigger border", "a huge vignette": the size is the effect's."""
    for item, following in pairwise(list(clause.items)):
        sized = item.kind == "head" and item.value.tool == "resize" and item.value.form in {"adjective", "comparative"}
        if sized and following.kind == "head" and following.value.tool in _SIZED:
            clause.swap(item, "degree", "big" if item.value.args.get("sign", 1) == 1 else "small")


def _color_named(clause: Clause) -> None:
    """ "Colour: white" is white."""
    for item, following in zip(list(clause.items), clause.items[1:], strict=False):
        if item.kind == "head" and clause.words[item.start].text == "color" and following.kind == "color":
            clause.swap(item, "fill", "color")


def _looking(clause: Clause) -> None:
    """ "Sepia background", "blurry background": how a part should look; "cut out the background" is its removal."""
    things = [item for item in clause.items if item.kind == "thing"]
    cuts = [item for item in clause.head_items("crop") if item.value.args.get("out")]
    if cuts and things and things[0].value.words in {"background", "backdrop"}:
        clause.swap(cuts[0], "head", Head("remove"))
    if len(things) != 1 or clause.has("head"):
        return
    blurred, _, last = things[0].value.words.rpartition(" ")
    if last == "blur" and blurred in {"background", "foreground"}:
        clause.swap(
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
        clause.swap(things[0], "thing", replace(things[0].value, words=rest, parts=(rest,)))
        clause.items.append(replace(things[0], kind="head", value=tool))


def _lettered(clause: Clause) -> None:
    """ "Big" is the size of the letters where there is something to write."""
    if clause.has("quote") or clause.head_items("text"):
        for item in clause.head_items("resize"):
            if item.value.form in {"adjective", "comparative"} and not clause.has("dim", "quantity"):
                clause.swap(item, "degree", "big" if item.value.args.get("sign") == 1 else "small")


def _pointed(clause: Clause) -> None:
    """ "That part" is "it"."""
    for item in list(clause.items):
        if (
            item.kind == "thing"
            and item.value.article in {"that", "this"}
            and item.value.words in {"part", "area", "bit", "spot", "region"}
        ):
            clause.swap(item, "whole", "it")


_RATIO_UP_TO = 50


def _numbers_apart(clause: Clause) -> None:
    """ "4 by 5", "5x7" are a ratio; "800 by 600 pixels", "800x600" a size."""
    for item in [item for item in clause.items if item.kind == "pixels"]:
        width, height = item.value.split("x")
        if max(int(width), int(height)) <= _RATIO_UP_TO:
            clause.swap(item, "ratio", f"{width}:{height}")
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
            clause.swap(one, "ratio" if small else "pixels", value)
            clause.drop([between, other])


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
            clause.swap(item, "head", entry.value)


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
                clause.swap(item, "degree", "small")
        light = item.kind == "head" and [word.text for word in clause.words[item.start : item.stop]] == ["light"]
        if light and following.kind == "head" and following.value.tool != "adjust":
            clause.swap(item, "degree", "small")


def _pronounced_effect(clause: Clause) -> None:
    """After other verbs a phrase that names an effect is the effect: "give it the sepia look"."""
    taking = bool(clause.head_items("remove", "blur", "sharpen", "denoise", "crop"))
    for item in list(clause.items):
        head = inner_head(item)
        if head is not None and (not taking or (head.tool == "crop" and clause.head_items("crop"))):
            clause.swap(item, "head", head)


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
                clause.swap(item, "head", Head("adjust", "comparative", dict([tinge])))
    reduced = set(clause.all("direction")) == {-1} and not clause.has("head", "make", "quote", "ref")
    for item in [item for item in clause.items if item.kind == "color"] if reduced else ():
        tinge = _TINGES.get(clause.words[item.stop - 1].text)
        if tinge and tinge[0] + clause.words[item.stop - 1].text != "temperaturered":
            clause.swap(item, "head", Head("adjust", "noun", dict([tinge])))
    much = clause.has("too") and not clause.has("be")
    if not (clause.has("be") or much) or clause.has("make", "add", "should", "head", "place"):
        return
    if clause.has("thing") and not much and any(not thing.article and thing.prep for thing in clause.all("thing")):
        return
    for item in list(clause.items):
        tinge = _TINGES.get(clause.words[item.stop - 1].text) if item.kind == "color" else None
        if tinge:
            clause.swap(item, "head", Head("adjust", "adjective", dict([tinge])))
