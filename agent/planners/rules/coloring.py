"""Clauses about colour as such: black and white, sepia, and one colour alone, which no tool can change."""

from __future__ import annotations

from dataclasses import replace

from agent.plan import Candidate
from agent.planners.rules.amounts import SCALES
from agent.planners.rules.clause import Clause, Draft, Need
from agent.planners.rules.lexicon import Head

OWN = "own"
"""Marks a head whose word is a colour ("bluer"): of the picture a matter of white balance, of a thing its own
colour."""
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
_TONED = {"sepia": {"brown"}, "warm": {"brown", "orange", "yellow"}, "cool": {"blue"}, "neutral": set[str]()}
"""Colours that only say the tone again: "cold blue black and white"."""
_TONES = {1: "warm", -1: "cool"}


def monochrome(clause: Clause) -> list[Draft] | None:
    """Black and white, sepia, or with a warm or cold tone; "high contrast" is a second step."""
    heads, others = clause.heads("monochrome"), clause.heads("adjust")
    if not heads or clause.tools() - {"monochrome", "adjust"}:
        return None
    if clause.has("not") or -1 in clause.all("direction") or _from_gray(clause):
        return None
    if any(item.kind == "be" and clause.words[item.start].text != "look" for item in clause.items) and not clause.has(
        "make", "should", "change", "add"
    ):
        return None
    tone = "sepia" if any(head.args["tone"] == "sepia" for head in heads) else "neutral"
    contrast = 0.0
    for head in others:
        if set(head.args) == {"temperature"}:
            tone = _TONES[head.args["temperature"]] if tone == "neutral" else tone
        elif set(head.args) == {"contrast"} and head.form == "adjective":
            contrast = head.args["contrast"] * SCALES["adjust"][""]
        elif not (head.form == "noun" and "saturation" in head.args):
            return None
    named = [item for item in clause.items if item.kind == "color" and clause.words[item.stop - 1].text in _TONED[tone]]
    clause.drop(named)
    clause.take_all("head", "degree", "direction", "adjective")
    refers, region = clause.refers(), clause.region()
    drafts = [Draft("monochrome", {"tone": tone}, region, refers=refers)]
    return [*drafts, Draft("adjust", {"contrast": contrast}, region)] if contrast else drafts


def only_in_color(clause: Clause) -> list[Draft] | None:
    """ "Only the flower in colour": all the rest is grey."""
    heads = clause.heads()
    if len(heads) != 1 or heads[0].args != {"saturation": 1} or heads[0].form != "noun" or not clause.has("only"):
        return None
    if not clause.says("color", "colors") or clause.has(
        "not", "too", "direction", "degree", "quantity", "fix", "enough"
    ):
        return None
    things = [thing for thing in clause.all("thing") if not thing.whole]
    if len(things) != 1 or not (things[0].prep or "in color" in clause.text or "stay" in clause.text):
        return None
    clause.take_all("head")
    kept = clause.region()
    return [Draft("monochrome", {"tone": "neutral"}, f"everything but the {kept}")] if kept else None


def gray(clause: Clause) -> list[Draft] | None:
    """ "Make it grey", "everything but the collar should be grey": of the picture, no colour of a thing."""
    about = clause.has("whole", "rest", "except") or any(thing.whole for thing in clause.all("thing"))
    if clause.heads() or clause.all("color") != ["#808080"] or not clause.wished or not about:
        return None
    clause.take_all("color")
    things = [thing for thing in clause.all("thing") if not thing.whole]
    if things and not clause.has("except"):
        return None
    return [Draft("monochrome", {"tone": "neutral"}, clause.region())]


def _from_gray(clause: Clause) -> bool:
    """ "From black and white to colour" is the other way round."""
    first = next(item for item in clause.items if item.kind == "head" and item.value.tool == "monochrome")
    return first.start > 0 and clause.words[first.start - 1].text == "from"


def hue(clause: Clause) -> list[Draft] | None:
    """One colour alone ("boost the reds", "whiter teeth"): what is meant is asked.

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


_COLORED = {
    "blue": {"sky", "sea", "ocean", "water", "lake", "river"},
    "green": {
        "grass",
        "lawn",
        "leaves",
        "leaf",
        "tree",
        "trees",
        "plant",
        "plants",
        "forest",
        "meadow",
        "bush",
        "bushes",
    },
    "yellow": {"sunflower", "sunflowers", "lemon", "lemons", "banana", "bananas", "sun"},
    "orange": {"orange", "oranges", "sunset", "sunrise", "fire", "pumpkin"},
}
"""Colour → things that are of that colour; less of it there is not a matter of light."""


def _colored_so(clause: Clause) -> bool:
    things = {thing.words.split()[-1] for thing in clause.all("thing") if thing.words}
    return any(clause.says(color) and things & names for color, names in _COLORED.items())


def hue_of_a_thing(clause: Clause) -> list[Draft] | None:
    """ "Make the sky bluer", "less blue in the sky"."""
    heads = clause.heads()
    if clause.says("less") and len(heads) == 1 and not _colored_so(clause):
        clause.take_all("head", "direction", "too")
        size = SCALES["adjust"][clause.degree() or ""]
        slider, sign = next((name, value) for name, value in heads[0].args.items() if name != OWN)
        return [Draft("adjust", {slider: sign * size}, clause.region())]
    meant = Head("hue", "comparative", {} if clause.says("less") else {"more": "yes"})
    clause.items = [replace(item, value=meant) if item.kind == "head" else item for item in clause.items]
    return hue(clause)
