"""Clauses about blur, sharpness, noise, vignette, border and one-click improvement → their steps."""

from __future__ import annotations

from typing import Any

from agent.planners.rules.amounts import amount
from agent.planners.rules.clause import Clause, Draft
from agent.planners.rules.lexicon import Head

_OPPOSITE = {"blur": "sharpen", "sharpen": "blur"}


def strength(clause: Clause) -> list[Draft] | None:
    """blur, sharpen, denoise: a verb, a comparative, a noun wanted more or less of, or a flaw complained of."""
    if clause.says("softer") and clause.says("corners"):
        return None
    heads = clause.heads("blur", "sharpen", "denoise")
    if not heads or len(clause.tools()) != 1:
        return None
    if len(set(clause.all("direction"))) > 1:
        return None
    if _weaker(clause, heads):
        return less(clause, heads[0].tool)
    clause.take_all("head")
    excess = clause.has("too")
    tools = {_meant(clause, head) for head in heads}
    lower = -1 in clause.all("direction")
    more = clause.direction() > 0
    clause.take_all("too", "enough", "not", "fix")
    tool = tools.pop()
    if tools or tool is None:
        return None
    flawed = all(head.form == "flaw" for head in heads) and heads[0].tool == tool
    flawed |= all(head == Head("denoise", "noun") for head in heads) and not clause.has("fix") and not lower
    complaint = (excess or clause.has("be") or flawed) and not clause.has("make", "should", "add")
    if any(quantity.value < 0 for quantity in clause.all("quantity")):
        return None
    value = amount(clause, tool)
    args = {} if value is None else {"amount": value}
    refers = clause.refers()
    clause.take_all("insert") if clause.says("throw", "throwing") else None
    return [Draft(tool, args, clause.region() or clause.beside(), refers=refers, complaint=complaint, more=more)]


def _weaker(clause: Clause, heads: list[Head]) -> bool:
    """ "Less blur", "too much sharpening": an earlier step was too strong."""
    named = heads[0].tool != "denoise" and all(head.form in {"noun", "verb"} for head in heads)
    return named and not clause.has("not") and (set(clause.all("direction")) == {-1} or clause.has("too"))


_LEFT = {"tiny": 0.8, "small": 0.7, "big": 0.3, "huge": 0.2}


def less(clause: Clause, tool: str) -> list[Draft]:
    """A draft that weakens what an earlier step did; by half where nothing else is said."""
    clause.take_all("head", "direction", "too", "share of now")
    quantity, degree = clause.quantity("percent", "part"), clause.degree()
    left = 1 - quantity.share if quantity is not None else _LEFT.get(degree or "", 0.5)
    return [Draft(tool, region=clause.region() if tool else None, factor=round(left, 3))]


_RETURNING = {"bring", "restore", "rescue", "recover", "save", "open", "take", "subtract", "plus", "minus", "back"}
"""Words of direction that, without a property, speak of going back and not of an amount."""


def relative(clause: Clause) -> list[Draft] | None:
    """ "A bit more", "stronger", "too much": of what was done last."""
    directions = set(clause.all("direction"))
    if clause.has("head", "thing", "place", "not", "quantity", "color") or not (
        len(directions) == 1 or clause.has("too")
    ):
        return None
    if clause.says(*_RETURNING):
        return None
    if directions == {1} and not clause.has("too"):
        clause.take_all("direction")
        grown = {"tiny": 1.15, "small": 1.3, "big": 2.0, "huge": 2.5}.get(clause.degree() or "", 1.5)
        return [Draft("", factor=grown)]
    return less(clause, "")


def _meant(clause: Clause, head: Head) -> str | None:
    """The tool that a form of speech asks for; None where it asks for what no tool does."""
    direction = set(clause.all("direction"))
    negated, enough, too = clause.has("not"), clause.has("enough"), clause.has("too")
    states = (
        clause.has("be") or clause.says("so") or (clause.has("degree") and not clause.has("thing") and direction != {1})
    ) and not clause.has("make", "should", "add")
    less = direction == {-1} or too
    match head.form, head.tool:
        case _ if negated and not (enough and head.form == "adjective") and not (head.form == "adjective" and states):
            return None
        case "verb", "blur" if states and clause.says("blur", "blurred") and not clause.has("degree"):
            return "sharpen"
        case "verb" | "comparative", tool:
            return None if less else tool
        case "adjective", tool:
            wished = clause.wished or clause.has("enough") or direction == {1}
            return tool if (wished and not less) or (negated and states) else None
        case "noun", "denoise":
            return "denoise" if less or clause.has("fix") or (states and not direction - {-1}) else None
        case "noun", tool:
            return None if less or clause.has("fix") else tool
        case "flaw", tool:
            if clause.has("fix") or less or states:
                return tool
            wished = (
                clause.wished
                or clause.says("throw", "throwing")
                or direction == {1}
                or clause.says("background", "backdrop", "else", "rest", "everything")
            )
            return head.args.get("instead") if wished else None
    return None


_RIMS = {"edge", "edges", "corner", "corners"}


def vignette(clause: Clause) -> list[Draft] | None:
    """Dark corners, or bright ones."""
    heads = clause.heads("vignette")
    if not heads or clause.tools() != {"vignette"} or clause.has("not"):
        return None
    if clause.has("be") and not clause.has("too") and not clause.wished:
        return None
    if clause.has("too") or set(clause.all("direction")) == {-1}:
        return less(clause, "vignette")
    clause.take_all("head", "color", "direction")
    clause.drop([item for item in clause.items if item.kind == "thing" and item.value.words in _RIMS])
    signed = any(quantity.signed and quantity.value < 0 for quantity in clause.all("quantity"))
    sign = -1 if signed else heads[0].args.get("sign", 1)
    return [Draft("vignette", {"amount": sign * (amount(clause, "vignette") or 0.4)})]


def border(clause: Clause, shorter_side: int | None) -> list[Draft] | None:
    """A border of some width and colour; pixels are counted on a picture whose shorter side is given."""
    if clause.tools() != {"border"} or clause.has("not", "too"):
        return None
    if _put_into_frame(clause) or (clause.has("be") and not clause.wished):
        return None
    clause.take_all("head")
    if clause.direction() < 0:
        return None
    args: dict[str, Any] = {}
    if clause.has("quantity", "degree"):
        clause.take_all("dim")
    pixels = clause.quantity("px")
    if pixels is not None:
        if not shorter_side:
            return None
        args["width"] = round(min(0.5, pixels.value / shorter_side), 4)
    else:
        if any(not 0 < quantity.share <= 0.5 for quantity in clause.all("quantity")):
            return None
        value = amount(clause, "border")
        args |= {} if value is None else {"width": value}
    exact = [word.text for word in clause.words if word.kind == "color"]
    said = exact or clause.all("color")
    clause.take_all("color") if exact else clause.take("color")
    args |= {"color": said[0]} if said else {}
    return [Draft("border", args)]


def _put_into_frame(clause: Clause) -> bool:
    """ "Add the picture to a frame" is no border."""
    places = {word.text: i for i, word in enumerate(clause.words)}
    head = next(item for item in clause.items if item.kind == "head")
    return clause.has("add") and any(places.get(word, head.start) < head.start for word in ("to", "into"))


def auto(clause: Clause) -> list[Draft] | None:
    """One-click improvement, perhaps at some strength."""
    heads = clause.heads("auto")
    if not heads or clause.tools() - {"auto", "adjust"} or clause.has("not", "too"):
        return None
    clause.take_all("vague") if clause.says("thing", "stuff") else None
    others = clause.heads("adjust")
    if any(head.form != "noun" for head in others) or (others and not any(head.form == "noun" for head in heads)):
        return None
    if heads[0].form == "comparative" and not clause.wished:
        return None
    clause.take_all("head")
    if clause.direction() < 0:
        return None
    value = amount(clause, "auto")
    refers = clause.refers()
    return [Draft("auto", {} if value is None else {"amount": value}, clause.region(), refers=refers)]
