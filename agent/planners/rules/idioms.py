"""Words that mean something else together than alone, settled before any rule sees the clause.

"Take the chair out" takes out the chair; "remove the noise" is no removal; "4 by 5" is a ratio; "fix the colours" is
what one-click improvement does. Each function mends one kind of thing in place and decides nothing about steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from agent.planners.rules import complaints, repairs
from agent.planners.rules.clause import Clause, inner_head
from agent.planners.rules.lexicon import Head, colors, lexicon
from agent.planners.rules.nounphrases import Thing
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
            if words[j].text not in _PARTICLES or words[j - 1].text in {"the", "upside", "way"}:
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


def without_where(words: Sequence[Word]) -> Sequence[Word]:
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
        _on_top,
        _fitting,
        _softened,
        _flawed_zone,
        _gone,
        complaints.has_cast,
        complaints.rated,
        complaints.caused,
        _corners,
        _likened,
        _sized_effect,
        _color_named,
        _looking,
        repairs.cut_places,
        _lettered,
        _pointed,
        _numbers_apart,
        repairs.sliced,
        repairs.taken_off,
        repairs.removed_effect,
        _named_look,
        _softness,
        repairs.halved,
        _pronounced_effect,
        repairs.enhanced_property,
        complaints.color_complaint,
        repairs.repaired,
        repairs.fixed_property,
        repairs.cut_property,
    ):
        settle(clause)
    return clause


def _on_top(clause: Clause) -> None:
    """ "More contrast on top" is more contrast besides; "in red on top" says where the words go."""
    for item in [item for item in clause.items if item.kind == "place"]:
        said = [word.text for word in clause.words[item.start : item.stop]]
        if said == ["on", "top"] and not clause.has("quote") and not clause.heads("text", "border", "crop"):
            clause.swap(item, "fill", "on top")


def _also(clause: Clause) -> None:
    """ "Blur it too nicely", "a strong one"; "0.3 EV", "put it on white"."""
    for item, following in zip(list(clause.items), [*clause.items[1:], None], strict=True):
        if item.kind == "too" and item.value == "too" and (following is None or following.kind == "fill"):
            clause.swap(item, "fill", "too")
    for item, one in zip(list(clause.items), clause.items[1:], strict=False):
        if one.kind == "vague" and one.value == "one" and item.kind in {"degree", "color", "adjective"}:
            clause.swap(one, "fill", "one")
    stops = [item for item in clause.items if item.kind == "quantity" and item.value.unit == "stops"]
    if stops and not clause.has("head", "thing"):
        clause.items.append(replace(stops[0], kind="head", value=Head("adjust", "noun", {"exposure": 1})))


_FITTING = {"fit", "fits", "fitting"}
_SCREENS = {
    "slide",
    "screen",
    "display",
    "phone",
    "print",
    "frame",
    "monitor",
    "tv",
    "wallpaper",
    "page",
    "cover",
    "header",
}


def _fitting(clause: Clause) -> None:
    """ "Make it fit a 16:9 slide", "400 x 300 pixels": the shape or the size is said already."""
    shaped = clause.has("ratio", "shape", "pixels")
    if not shaped:
        return
    for item in list(clause.items):
        text = clause.words[item.start].text
        if item.kind == "unknown" and (
            text in _FITTING or (text in {"pixels", "px", "pixel"} and clause.has("pixels"))
        ):
            clause.swap(item, "fill", text)
        screen = (
            item.kind == "thing"
            and not clause.head_items("resize", "remove")
            and item.value.article in {"a", "an", "my", ""}
        )
        if screen and item.value.words in _SCREENS and item.value.prep in {"", "for", "to", "on"}:
            clause.swap(item, "fill", text)


def _softened(clause: Clause) -> None:
    """ "Can the highlights be softer", "smoother contrast": less of it."""
    soft = [
        item for item in clause.head_items("blur") if clause.words[item.start].text in {"softer", "smoother", "gentler"}
    ]
    nouns = [item for item in clause.head_items("adjust") if item.value.form == "noun"]
    if (
        len(soft) == 1
        and len(nouns) == 1
        and set(nouns[0].value.args) <= {"highlights", "contrast", "saturation", "exposure"}
    ):
        clause.swap(soft[0], "direction", -1)


def _flawed_zone(clause: Clause) -> None:
    """ "The shadows are noisy": where it is noisy."""
    flaws = [item for item in clause.head_items("denoise", "sharpen") if item.value.form == "flaw"]
    zones = [item for item in clause.head_items("adjust") if set(item.value.args) in ({"shadows"}, {"highlights"})]
    if len(flaws) == len(zones) == 1 and zones[0].value.form == "noun" and clause.has("be", "too"):
        words = " ".join(word.text for word in clause.words[zones[0].start : zones[0].stop])
        clause.swap(zones[0], "thing", Thing(words, article="the", parts=(words,)))


def _gone(clause: Clause) -> None:
    """ "Can the cup go", "the noise can go": it is not wanted any more."""
    ends = [item for item in clause.items if item.kind != "fill"]
    asked = clause.says("can", "could", "should", "must", "may", "needs", "has", "have", "let") and len(ends) > 1
    if (
        asked
        and ends[-1].kind == "history"
        and clause.words[ends[-1].start].text == "go"
        and ends[0].start < ends[-1].start
    ):
        clause.swap(ends[-1], "head", Head("remove", "noun"))


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
    named = [item for item in clause.items if item.kind not in {"color", "adjective"}]
    for item, following in pairwise(named):
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
        said = " ".join(word.text for word in clause.words[item.start : item.stop])
        soft = said in {"soft", "softer", "light", "lighter"} and item.kind == "head"
        if soft and following.kind == "head" and following.value.tool != "adjust":
            clause.swap(item, "degree", "small")


def _pronounced_effect(clause: Clause) -> None:
    """After other verbs a phrase that names an effect is the effect: "give it the sepia look"."""
    taking = bool(clause.head_items("remove", "blur", "sharpen", "denoise", "crop"))
    for item in list(clause.items):
        head = inner_head(item)
        if head is not None and (not taking or (head.tool == "crop" and clause.head_items("crop"))):
            clause.swap(item, "head", head)
