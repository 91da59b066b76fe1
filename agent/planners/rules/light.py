"""Clauses about light and colour → `adjust`: brighter, less contrast, too yellow, lift the shadows.

Which way is meant is decided by `mood`, how much by `amounts`. Black and white and single colours are in `coloring`.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from agent.plan import Candidate
from agent.planners.rules.amounts import SCALES, shift
from agent.planners.rules.clause import Clause, Draft, Need
from agent.planners.rules.coloring import OWN, hue_of_a_thing
from agent.planners.rules.lexicon import Head
from agent.planners.rules.mood import Mood
from agent.planners.rules.numbers import Quantity
from agent.planners.rules.tables import listed

Values = dict[str, float]
"""Slider → value."""

_DESATURATED = 0.6
"""How much colour "desaturate" takes where nothing else is said; it means more than "less colour"."""
_ZONES = {"highlights", "shadows"}
_CORNERS = {"corners", "edges", "outer edges", "corner"}
_EXCLAIMED = {"cool", "warm", "chill", "burn", "pop", "dim", "fade", "light"}
_UNCLEAR = frozenset(listed("unclear of shadows"))
BRIGHTER_OR_DARKER = Need(
    "Should the dark parts become brighter or darker?",
    "args",
    (Candidate(label="brighter", value={"shadows": 0.3}), Candidate(label="darker", value={"shadows": -0.3})),
)


def adjust(clause: Clause) -> list[Draft] | None:
    """One step with every slider that the clause names."""
    heads = clause.heads()
    if not heads or clause.tools() != {"adjust"}:
        return None
    if all(OWN in head.args for head in heads) and any(not thing.whole for thing in clause.all("thing")):
        return hue_of_a_thing(clause)
    if _is_exclaimed(clause, heads) or _cannot_tell(clause, heads):
        return None
    if _shadows_unclear(clause, heads):
        clause.take_all("head", "direction", "degree")
        return [Draft("adjust", region=clause.region(), need=BRIGHTER_OR_DARKER)]
    stated = any(clause.words[item.start].text == "too" for item in clause.head_items("adjust"))
    clause.take_all("head", "fix")
    return _adjusted(clause, heads, stated)


def _adjusted(clause: Clause, heads: list[Head], stated: bool) -> list[Draft] | None:
    """`stated`: "too" belongs to what is named ("too blue")."""
    if clause.has("too") or clause.says("less"):
        heads = [_less_shadow(head) if len(heads) == 1 else head for head in heads]
    mood = Mood.of(clause, bare=all(head.form == "adjective" for head in heads), stated=stated)
    signs = _signs(_combined(heads, clause), mood)
    if not signs:
        return None
    if clause.take("share of now"):
        wanted = {slider: float(sign) for slider, sign in signs.items()}
        return [Draft("adjust", wanted, clause.region(), factor=0.5)] if mood.direction <= 0 else None
    if set(signs.values()) == {0} and clause.has("make", "change") and not clause.has("quantity", "degree"):
        clause.take_all("change")
        return [Draft("adjust", region=clause.region(), need=_more_or_less(signs))]
    args = _values(clause, signs, mood)
    if args is None:
        return None
    edged = any(thing.words in _CORNERS for thing in clause.all("thing"))
    refers, region = clause.refers(), clause.region("with") if edged else clause.region() or clause.beside()
    if region in _CORNERS and set(args) == {"exposure"}:
        return [Draft("vignette", {"amount": -args["exposure"]}, complaint=mood.complaint)]
    return [Draft("adjust", dict(args), region, refers=refers, complaint=mood.complaint)]


# --- what cannot be read, or only be asked ----------------------------------------------------------------------------


def _is_exclaimed(clause: Clause, heads: list[Head]) -> bool:
    """ "Cool!" asks for nothing; "cool it down a bit" does."""
    alone = not clause.has("thing", "place", "degree", "quantity", "direction", "too", "make", "should", "add", "conj")
    polite = {at for item in clause.items if item.kind == "fill" for at in range(item.start, item.stop)}
    words = [word for at, word in enumerate(clause.words) if word.kind != "mark" and at not in polite]
    stated = not clause.has("whole") or clause.has("be")
    bare = len(words) < 3 or clause.has("be")
    return alone and stated and bare and len(heads) == 1 and heads[0].form == "verb" and words[-1].text in _EXCLAIMED


def _cannot_tell(clause: Clause, heads: list[Head]) -> bool:
    """ "Harsh shadows" may be lifted or softened; "more tint" may be of any colour."""
    sliders = {slider for head in heads for slider in head.args}
    if sliders & _ZONES and "contrast" in sliders and "highlights" not in sliders:
        return True
    tints = [item for item in clause.head_items("adjust") if set(item.value.args) == {"tint"}]
    bare = [item for item in tints if clause.words[item.start].text == "tint"]
    return bool(tints) and len(bare) == len(tints) and not clause.has("quantity")


def _shadows_unclear(clause: Clause, heads: list[Head]) -> bool:
    """ "Reduce the shadows" may mean fewer of them, or a slider moved down."""
    only = all(head.form == "noun" and set(head.args) == {"shadows"} for head in heads)
    return only and clause.says(*_UNCLEAR) and not clause.has("quantity")


def _more_or_less(signs: dict[str, int]) -> Need:
    """ "Adjust the contrast": which way?"""
    up, down = (dict.fromkeys(signs, sign * SCALES["adjust"][""]) for sign in (1, -1))
    return Need(
        "More of it, or less?", "args", (Candidate(label="more", value=up), Candidate(label="less", value=down))
    )


# --- which sliders, which way -----------------------------------------------------------------------------------------


def _less_shadow(head: Head) -> Head:
    """ "Too much shadow": shadow is darkness there, and not the slider."""
    return replace(head, args={"shadows": -1}) if head.args == {"shadows": 1} else head


def _combined(heads: list[Head], clause: Clause) -> list[Head]:
    """ "Brighten the shadows" lifts the shadows, "brighter colours" are stronger ones; neither brightens the
    picture."""
    if clause.has("conj") and any(thing.whole and not thing.prep for thing in clause.all("thing")):
        return heads
    twice = (
        len(heads) == 2 and heads[0].args == heads[1].args and {"adjective", "noun"} == {head.form for head in heads}
    )
    if twice and not clause.has("be", "too"):
        return [replace(heads[0], form="comparative")]
    harsh = [head for head in heads if head.form == "adjective" and head.args == {"contrast": 1}]
    if harsh and len(heads) == 2 and any(set(head.args) == {"highlights"} for head in heads):
        return [Head("adjust", "adjective", {"highlights": 1})]
    movers = [head for head in heads if set(head.args) == {"exposure"} and head.form != "noun"]
    zones = [head for head in heads if set(head.args) & _ZONES]
    if movers and zones and len(movers) + len(zones) == len(heads):
        sign = movers[0].args["exposure"]
        return [Head("adjust", movers[0].form, {slider: sign for zone in zones for slider in zone.args})]
    colors = [head for head in heads if head.form == "noun" and head.args == {"saturation": 1}]
    if len(colors) == 1 and len(heads) == 2 and any(head.args == {"saturation": -1, "contrast": -1} for head in heads):
        return [Head("adjust", "adjective", {"saturation": -1})]
    strong = [head for head in heads if head.form != "noun" and head.args in ({"exposure": 1}, {"contrast": 1})]
    if len(strong) == len(colors) == 1 and len(heads) == 2 and clause.says("colors"):
        return [Head("adjust", strong[0].form, {"saturation": 1})] if strong[0].form != "adjective" else heads
    return heads


def _signs(heads: list[Head], mood: Mood) -> dict[str, int] | None:
    """Slider → direction. None where the heads contradict each other or ask for nothing."""
    signs: dict[str, int] = {}
    for head in _without_topics(heads, mood):
        turned = mood.sign(head)
        if turned is None:
            return None
        for slider, sign in head.args.items():
            if slider != OWN and signs.setdefault(slider, sign * turned) != sign * turned:
                return None
    return signs


def _without_topics(heads: list[Head], mood: Mood) -> list[Head]:
    """ "Make the light warmer", "mute the colours": a noun beside a word that says what to do only names what it is
    about.

    Not where "and" joins them: "brighten the picture and the contrast".
    """
    sayings = [head for head in heads if head.form != "noun"]
    told = {"saturation", "exposure", "temperature", "tint"} | {slider for head in sayings for slider in head.args}
    topics = [head for head in heads if head.form == "noun" and set(head.args) <= told]
    if mood.joined or mood.direction or len(sayings) + len(topics) < len(heads):
        return heads
    return sayings or heads


# --- how much ---------------------------------------------------------------------------------------------------------


def _values(clause: Clause, signs: dict[str, int], mood: Mood) -> Values | None:
    """Slider → value, of the quantity, the degree or the default."""
    quantities: list[Quantity] = clause.take_all("quantity")
    degree = clause.degree()
    if not quantities:
        strong = degree is None and clause.says("desaturate", "desaturating", "desaturated")
        size = _DESATURATED if strong else SCALES["adjust"][degree or ""]
        return None if 0 in signs.values() else {slider: sign * size for slider, sign in signs.items()}
    if len(quantities) not in (1, len(signs)):
        return None
    each = quantities if len(quantities) == len(signs) else quantities * len(signs)
    values: Values = {}
    for (slider, sign), quantity in zip(signs.items(), each, strict=True):
        value = _value(clause, slider, sign, quantity, mood)
        if value is None:
            return None
        values[slider] = value
    return values


def _value(clause: Clause, slider: str, sign: int, quantity: Quantity, mood: Mood) -> float | None:
    if quantity.value == 0:
        return -1.0 if clause.says("to", "at", "zero") and slider in {"saturation", "contrast"} else None
    size = shift(quantity, slider)
    if size is None:
        return None
    if quantity.signed:
        return size if quantity.value > 0 else -size
    if _to_a_level(clause) and quantity.unit in ("percent", "part"):
        return _level(quantity, sign, mood)
    return (sign or 1) * size


def _to_a_level(clause: Clause) -> bool:
    """ "(Reduce it) to 80 %"."""
    return any(one.text in {"to", "at"} and other.kind == "number" for one, other in pairwise(clause.words))


def _level(quantity: Quantity, sign: int, mood: Mood) -> float | None:
    """ "Reduce the contrast to 80 %": what is left is said, and not by how much. Without a direction nobody can
    tell."""
    change = quantity.share - 1
    return round(change, 3) if mood.direction and change * sign > 0 and abs(change) <= 1 else None
