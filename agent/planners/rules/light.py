"""Clauses about light and colour → `adjust` and `monochrome`: brighter, less contrast, too yellow, lift the shadows.

A form of speech decides the sign: "darker" is asked for, "too dark" and "it looks dark" are complained of, "contrast"
alone needs "more" or "less". Everything else about pictures is in `effects`, `shapes` and `objects`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from agent.plan import Candidate
from agent.planners.rules.amounts import SCALES, shift
from agent.planners.rules.clause import Clause, Draft, Need
from agent.planners.rules.lexicon import Head
from agent.planners.rules.numbers import Quantity

ONE_COLOR = Need(
    "I cannot change one colour alone. Should I change all colours there, or the light?",
    "args",
    (
        Candidate(label="stronger colours", value={"saturation": 0.3}),
        Candidate(label="brighter", value={"exposure": 0.3}),
        Candidate(label="warmer", value={"temperature": 0.3}),
        Candidate(label="cooler", value={"temperature": -0.3}),
    ),
)
_DESATURATED = 0.6
"""How much colour "desaturate" takes where nothing else is said; it means more than "less colour"."""
OWN = "own"
"""Marks a head whose word is a colour: what it means of a thing is its colour, not its light."""
_CORNERS = {"corners", "edges", "corners of the picture", "edges of the picture", "outer edges", "corner"}
_TONES = {1: "warm", -1: "cool"}


def monochrome(clause: Clause) -> list[Draft] | None:
    """Black and white, sepia, or with a warm or cold tone."""
    heads = clause.heads("monochrome")
    others = clause.heads("adjust")
    if not heads or clause.tools() - {"monochrome", "adjust"} or clause.has("not"):
        return None
    contrast = 0.0
    tone = "sepia" if any(head.args["tone"] == "sepia" for head in heads) else "neutral"
    for head in others:
        if set(head.args) == {"temperature"}:
            tone = _TONES[head.args["temperature"]] if tone == "neutral" else tone
        elif set(head.args) == {"contrast"} and head.form == "adjective":
            contrast = head.args["contrast"] * SCALES["adjust"][""]
        elif not (head.form == "noun" and "saturation" in head.args):
            return None
    clause.take_all("head", "degree", "direction", "adjective")
    refers, region = clause.refers(), clause.region()
    drafts = [Draft("monochrome", {"tone": tone}, region, refers=refers)]
    return [*drafts, Draft("adjust", {"contrast": contrast}, region)] if contrast else drafts


def adjust(clause: Clause) -> list[Draft] | None:
    """One step with every slider that the clause names."""
    heads = clause.heads()
    if not heads or clause.tools() != {"adjust"}:
        return None
    if _colored(heads) and any(not thing.whole for thing in clause.all("thing")):
        meant = _LESS_COLOR if clause.says("less") else _MORE_COLOR
        clause.items = [replace(item, value=meant) if item.kind == "head" else item for item in clause.items]
        return hue(clause)
    if _only_said(clause, heads):
        return None
    if _unclear_shadows(clause, heads):
        clause.take_all("head", "direction", "degree")
        return [Draft("adjust", region=clause.region(), need=_DARKER_OR_BRIGHTER)]
    clause.take_all("head", "fix")
    if {"highlights", "shadows"} & {name for head in heads for name in head.args} and any("contrast" in head.args for head in heads):
        return None
    if clause.has("too") or clause.says("less"):
        heads = [replace(head, args={"shadows": -1}) if head.args == {"shadows": 1} and len(heads) == 1 else head for head in heads]
    mood = _Mood.of(clause, bare=all(head.form == "adjective" for head in heads))
    signs = _signs(_combined(heads), mood)
    if not signs:
        return None
    if clause.take("share of now"):
        wanted = {argument: float(sign) for argument, sign in signs.items()}
        return [Draft("adjust", wanted, clause.region(), factor=0.5)] if mood.direction <= 0 else None
    args = _values(clause, signs, mood)
    if args is None and set(signs.values()) == {0} and not clause.has("quantity", "degree") and clause.has("make", "change"):
        clause.take_all("change")
        return [Draft("adjust", region=clause.region(), need=_more_or_less(signs))]
    if args is None:
        return None
    refers = clause.refers()
    region = clause.region()
    if region in _CORNERS and set(args) == {"exposure"}:
        return [Draft("vignette", {"amount": -args["exposure"]})]
    return [Draft("adjust", args, region, refers=refers, complaint=mood.complaint)]


def _is_look(clause: Clause) -> bool:
    """ "Faded look" asks for it, "it looks faded" does not."""
    words = [word.text for word in clause.words if word.text not in {"please", "thanks"}]
    return words[-1] == "look"


_FLAWED = ("overexposed", "underexposed", "oversaturated", "undersaturated", "faded", "washed", "blown", "crushed", "underlit", "clipped", "garish", "drab")
"""Words that are only said of what should be otherwise."""


_MORE_COLOR = Head("hue", "comparative", {"more": "yes"})
_LESS_COLOR = Head("hue", "comparative")


def _colored(heads: list[Head]) -> bool:
    """ "Bluer", "greener": of the whole picture a matter of white balance, of a thing one of its colour."""
    return all(OWN in head.args for head in heads)


@dataclass(frozen=True)
class _Mood:
    """How the clause speaks of a property: asks for it, complains of it, wants more or less of it."""

    direction: int
    too: bool
    lacks: bool
    states: bool
    asks: bool
    measured: bool
    wants: bool
    joined: bool

    @classmethod
    def of(cls, clause: Clause, bare: bool) -> _Mood:
        """`bare`: only adjectives name what it is about."""
        too = bool(clause.take_all("too"))
        little = clause.says("little") and too
        stated = clause.has("be", "enough") and not clause.says("do", "does", "never", "without")
        negated, enough = stated and bool(clause.take_all("not")), bool(clause.take_all("enough"))
        lacks = negated and enough
        if negated and not enough:
            lacks, too = False, True
        asks = clause.has("make", "should", "add") or clause.says("want", "like", "style", "feel") or _is_look(clause)
        states = clause.has("be") or clause.says(*_FLAWED) or (bare and clause.has("degree") and not asks and not clause.has("thing"))
        measured = clause.has("degree")
        wants = clause.has("add", "should") or clause.says("want", "like", "give", "need", "get", "have", "use")
        stated = states or any(word.text in {"is", "are"} for word in clause.words)
        direction = clause.direction()
        return cls(direction, too and not little, lacks or little, stated, asks, measured, wants, clause.has("conj"))

    @property
    def complaint(self) -> bool:
        return self.too or self.lacks or (self.states and not self.asks and not self.direction)

    def sign(self, head: Head) -> int | None:
        """+1: what the head names; −1: the opposite; 0: only a number can tell; None: nothing is asked."""
        if self.lacks:
            return 1
        if self.too:
            return -1
        match head.form:
            case "verb":
                return 1 if self.direction >= 0 else 0
            case "comparative":
                return 1 if self.direction >= 0 and (self.asks or not self.states) else 0
            case "adjective" if not (self.direction or self.asks or self.states):
                return None
            case "adjective":
                return self.direction or (-1 if self.states and not self.asks else 1)
            case _:
                return self.direction or (1 if self.wants or (self.measured and not self.states) else 0)


_EXCLAIMED = {"cool", "warm", "chill", "burn", "pop", "dim", "fade", "light"}


def _only_said(clause: Clause, heads: list[Head]) -> bool:
    """ "Cool!" asks for nothing; "cool it down a bit" does."""
    words = [word.text for word in clause.words]
    return heads[0].form == "verb" and bool(_EXCLAIMED & set(words)) and not clause.has("whole", "thing", "place", "degree", "quantity", "direction")


def _more_or_less(signs: dict[str, int]) -> Need:
    """ "Adjust the contrast": which way?"""
    up, down = ({name: sign * SCALES["adjust"][""] for name in signs} for sign in (1, -1))
    return Need("More of it, or less?", "args", (Candidate(label="more", value=up), Candidate(label="less", value=down)))


_DARKER_OR_BRIGHTER = Need(
    "Should the dark parts become brighter or darker?",
    "args",
    (Candidate(label="brighter", value={"shadows": 0.3}), Candidate(label="darker", value={"shadows": -0.3})),
)
_UNCLEAR = ("reduce", "reduced", "reducing", "more", "increase", "decrease", "minimize", "extra", "add", "diminish", "lessen")


def _unclear_shadows(clause: Clause, heads: list[Head]) -> bool:
    """ "Reduce the shadows" may mean fewer of them or a slider moved down."""
    nouns = all(head.form == "noun" and set(head.args) == {"shadows"} for head in heads)
    return nouns and clause.says(*_UNCLEAR) and not clause.has("quantity")


def _combined(heads: list[Head]) -> list[Head]:
    """ "Brighten the shadows" lifts the shadows, "brighter colours" are stronger ones; neither brightens the picture."""
    if len(heads) == 2 and {"saturation"} in (set(heads[0].args), set(heads[1].args)):
        colors = [head for head in heads if head.form == "noun" and head.args == {"saturation": 1}]
        bright = [head for head in heads if set(head.args) == {"exposure"} and head.form in {"verb", "comparative"}]
        if colors and bright and bright[0].args["exposure"] > 0:
            return [Head("adjust", bright[0].form, {"saturation": bright[0].args["exposure"]})]
    zones = [head for head in heads if set(head.args) & {"highlights", "shadows"}]
    movers = [head for head in heads if set(head.args) == {"exposure"} and head.form != "noun"]
    if not zones or not movers or len(zones) + len(movers) != len(heads):
        return heads
    sign = movers[0].args["exposure"]
    return [Head("adjust", movers[0].form, {argument: sign for zone in zones for argument in zone.args})]


def _signs(heads: list[Head], mood: _Mood) -> dict[str, int] | None:
    """Slider → direction. None where the heads contradict each other or say none."""
    signs: dict[str, int] = {}
    for head in _without_topics(heads, mood.joined or bool(mood.direction)):
        for argument, sign in head.args.items():
            if argument == OWN:
                continue
            turned = mood.sign(head)
            if turned is None:
                return None
            wanted = sign * turned
            if signs.setdefault(argument, wanted) != wanted:
                return None
    return signs


def _without_topics(heads: list[Head], joined: bool) -> list[Head]:
    """ "Make the light warmer", "mute the colours": a noun beside a word that says what to do only names what it is about.

    Not where "and" joins them: "brighten the picture and the contrast".
    """
    sayings = [head for head in heads if head.form != "noun"]
    told = {"saturation", "exposure", "temperature", "tint"} | {name for head in sayings for name in head.args}
    topics = [head for head in heads if head.form == "noun" and set(head.args) <= told]
    if joined or len(sayings) + len(topics) < len(heads):
        return heads
    return sayings or heads


def _values(clause: Clause, signs: dict[str, int], mood: _Mood) -> dict[str, Any] | None:
    """Slider → value, of the quantity, the degree or the default."""
    quantities: list[Quantity] = clause.take_all("quantity")
    degree = clause.degree()
    if not quantities:
        if 0 in signs.values():
            return None
        strong = degree is None and clause.says("desaturate", "desaturating", "desaturated")
        size = _DESATURATED if strong else SCALES["adjust"][degree or ""]
        return {argument: sign * size for argument, sign in signs.items()}
    if len(quantities) not in (1, len(signs)):
        return None
    each = quantities if len(quantities) == len(signs) else quantities * len(signs)
    values = {a: _value(clause, a, s, q, mood) for (a, s), q in zip(signs.items(), each, strict=True)}
    return values if None not in values.values() else None


def _value(clause: Clause, argument: str, sign: int, quantity: Quantity, mood: _Mood) -> float | None:
    if clause.says("to", "at", "zero") and quantity.value == 0:
        return -1.0 if argument in {"saturation", "contrast"} else None
    size = shift(quantity, argument)
    if size is None:
        return None
    if quantity.signed:
        return size if quantity.value >= 0 else -size
    if clause.says("to") and quantity.unit in ("percent", "part"):
        return _level(quantity, sign, mood)
    return (sign or 1) * size


def _level(quantity: Quantity, sign: int, mood: _Mood) -> float | None:
    """ "Reduce the contrast to 80 %": what is left is said, and not by how much. Without a direction nobody can tell."""
    if not mood.direction:
        return None
    change = quantity.share - 1
    return round(change, 3) if change * sign > 0 and abs(change) <= 1 else None


def hue(clause: Clause) -> list[Draft] | None:
    """One colour alone ("boost the reds", "whiter teeth") is no tool of its own: what is meant is asked.

    Of a thing that has the colour, "redder" and "greener" want more of it.
    """
    heads = clause.heads()
    if clause.tools() != {"hue"} or clause.has("not"):
        return None
    clause.take_all("head", "direction", "too", "quantity")
    degree, region = clause.degree(), clause.region()
    if region is not None and region != "background" and all("more" in head.args for head in heads):
        return [Draft("adjust", {"saturation": SCALES["adjust"][degree or ""]}, region)]
    return [Draft("adjust", region=region, need=ONE_COLOR)]
