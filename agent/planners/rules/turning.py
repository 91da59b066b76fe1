"""Clauses that turn the picture or make it level → rotate, straighten, flip."""

from __future__ import annotations

from agent.plan import Candidate
from agent.planners.rules.clause import Clause, Draft, Need
from agent.planners.rules.numbers import Quantity

TURN_WHICH_WAY = Need(
    "Turn it by how much?",
    "args.degrees",
    (
        Candidate(label="90° to the right", value=90),
        Candidate(label="90° to the left", value=-90),
        Candidate(label="180°", value=180),
    ),
)
FLIP_WHICH_WAY = Need(
    "Flip it left to right, or upside down?",
    "args.axis",
    (Candidate(label="left to right", value="horizontal"), Candidate(label="upside down", value="vertical")),
)


def rotate(clause: Clause) -> list[Draft] | None:
    """By an angle, to a side, or on its head."""
    _no_thing(clause)
    clause.drop([item for item in clause.items if item.kind == "det" and item.value in {"her", "him", "them"}])
    heads = clause.heads("rotate")
    turning = clause.says("turn", "turned", "turning", "put", "stand") and (clause.has("turn") or _angle(clause))
    turning = turning or (_angle(clause) and clause.has("turn"))
    if clause.tools() - {"rotate"} or clause.has("not", "too") or not (heads or turning):
        return None
    complaint = bool(heads) and all(head.form == "flaw" for head in heads)
    clause.take_all("fix") if complaint else None
    fixed = [head.args["degrees"] for head in heads if "degrees" in head.args]
    clause.take_all("head")
    slight = _SLIGHT.get(clause.degree() or "")
    turns = set(clause.take_all("turn"))
    quantity = clause.quantity("degrees", "", "part")
    if len(turns) > 1 or len(set(fixed)) > 1:
        return None
    if quantity is not None and quantity.unit == "part":
        quantity = Quantity(360 * quantity.value if quantity.value in {0.25, 0.5} else 0, "degrees")
    sign = turns.pop() if turns else 0
    if quantity is not None and not (quantity.unit == "" and abs(quantity.value) < 1):
        value = quantity.value * (sign or 1)
        return [Draft("rotate", {"degrees": _whole(value)})] if abs(value) <= 360 else None
    if fixed:
        return [Draft("rotate", {"degrees": fixed[0] * (sign or 1)})] if fixed[0] == 180 or sign else _which_way()
    return [Draft("rotate", {"degrees": (slight or 90) * sign})] if sign else _which_way(complaint)


_SLIGHT = {"tiny": 2, "small": 5}
"""Degrees of a turn that is said to be a little one."""


def _no_thing(clause: Clause) -> None:
    """ "Turn the thing" is about the picture."""
    clause.drop(
        [item for item in clause.items if item.kind == "thing" and item.value.words in {"thing", "whole thing"}]
    )


def _which_way(complaint: bool = False) -> list[Draft]:
    return [Draft("rotate", need=TURN_WHICH_WAY, complaint=complaint)]


def _angle(clause: Clause) -> bool:
    return any(q.unit == "degrees" or (q.unit == "" and abs(q.value) in {90, 180, 270}) for q in clause.all("quantity"))


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def straighten(clause: Clause) -> list[Draft] | None:
    """Automatically, or by an angle; a picture that leans to the right is turned to the left."""
    _no_thing(clause)
    itself = [item for item in clause.head_items("auto") if clause.words[item.start].text.startswith("auto")]
    clause.drop(itself if clause.heads("straighten") else [])
    heads = clause.heads("straighten")
    horizons = any(thing.words.startswith("horizon") for thing in clause.all("thing"))
    if horizons and not clause.heads() and clause.has("axis") and clause.says("horizontal") and clause.wished:
        clause.take_all("axis", "thing", "direction")
        return [Draft("straighten")]
    if not heads or clause.tools() != {"straighten"}:
        return None
    flawed = all(head.form == "flaw" for head in heads)
    if flawed and clause.has("make", "should"):
        return None
    complaint = flawed or bool(clause.take_all("not", "enough"))
    clause.take_all("head", "too", "degree", "direction", "fix")
    turns = set(clause.take_all("turn"))
    quantity: Quantity | None = clause.quantity("degrees", "")
    clause.take_all("prep")
    if flawed:
        clause.take_all("thing")
    if clause.region() not in {
        None,
        "horizon",
        "horizon line",
        "lines",
        "line",
        "building",
        "buildings",
        "house",
        "walls",
        "camera",
        "verticals",
    }:
        return None
    if quantity is None:
        return [Draft("straighten", complaint=complaint)] if not turns or complaint else None
    if len(turns) > 1 or abs(quantity.value) > 45:
        return None
    sign = (turns.pop() if turns else 1) * (-1 if flawed else 1)
    return [Draft("straighten", {"degrees": _whole(sign * quantity.value)}, complaint=complaint)]


def flip(clause: Clause) -> list[Draft] | None:
    """Left to right, or upside down."""
    _no_thing(clause)
    heads = clause.heads("flip")
    if not heads or clause.tools() - {"flip", "rotate"} or clause.has("not", "too"):
        return None
    axes = set(clause.take_all("axis"))
    turned = clause.says("face", "look", "point", "faces", "looks", "points") and clause.says("other", "opposite")
    if turned or (axes and clause.says("is", "are", "looks", "faces")):
        clause.take_all("thing")
        clause.items = [item for item in clause.items if str(item.value) not in {"her", "him", "he", "she"}]
    clause.drop([item for item in clause.items if item.kind == "det" and item.value in {"her", "him", "them"}])
    if any(head.form == "flaw" for head in clause.heads("rotate")):
        axes.add("vertical" if any("degrees" in head.args for head in clause.heads("rotate")) else "horizontal")
    fixed = {head.args["axis"] for head in heads if "axis" in head.args}
    clause.take_all("head")
    axes = axes or fixed
    if len(axes) > 1:
        return None
    return [Draft("flip", {"axis": axes.pop()})] if axes else [Draft("flip", need=FLIP_WHICH_WAY)]
