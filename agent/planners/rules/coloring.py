"""Clauses about colour as such: black and white, sepia, and one colour alone, which no tool can change."""

from __future__ import annotations

from dataclasses import replace

from agent.plan import Candidate
from agent.planners.rules.amounts import SCALES
from agent.planners.rules.clause import Clause, Draft, Need
from agent.planners.rules.lexicon import Head

OWN = "own"
"""Marks a head whose word is a colour ("bluer"): of the picture a matter of white balance, of a thing its own colour."""
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
_TONES = {1: "warm", -1: "cool"}


def monochrome(clause: Clause) -> list[Draft] | None:
    """Black and white, sepia, or with a warm or cold tone; "high contrast" is a second step."""
    heads, others = clause.heads("monochrome"), clause.heads("adjust")
    if not heads or clause.tools() - {"monochrome", "adjust"}:
        return None
    if clause.has("not") or -1 in clause.all("direction") or _from_gray(clause):
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
    clause.take_all("head", "degree", "direction", "adjective")
    refers, region = clause.refers(), clause.region()
    drafts = [Draft("monochrome", {"tone": tone}, region, refers=refers)]
    return [*drafts, Draft("adjust", {"contrast": contrast}, region)] if contrast else drafts


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


def hue_of_a_thing(clause: Clause) -> list[Draft] | None:
    """ "Make the sky bluer", "less blue in the sky"."""
    meant = Head("hue", "comparative", {} if clause.says("less") else {"more": "yes"})
    clause.items = [replace(item, value=meant) if item.kind == "head" else item for item in clause.items]
    return hue(clause)
