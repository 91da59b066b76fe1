"""Clauses about the picture's outline → crop, resize, rotate, straighten, flip."""

from __future__ import annotations

import re

from agent.plan import Candidate
from agent.planners.rules.clause import Clause, Draft, Need
from agent.planners.rules.numbers import Quantity

_SHAPES = ("1:1", "4:3", "3:2", "16:9")
CROP_TO_WHAT = Need(
    "Crop it to which shape, or to which part of the picture?",
    "args.aspect",
    tuple(Candidate(label={"1:1": "square (1:1)"}.get(shape, shape), value=shape) for shape in _SHAPES),
    free=True,
)
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
WHAT_SIZE = Need(
    "What size should it have?",
    "args.scale",
    (
        Candidate(label="half the size", value=0.5),
        Candidate(label="twice the size", value=2),
    ),
    free=True,
)
REMOVE_OR_CROP = Need("Crop to which part?", "region", free=True)


def crop(clause: Clause) -> list[Draft] | None:
    """To a ratio or a named shape, around a thing or a place, or some share off one side."""
    heads = clause.heads("crop")
    if clause.tools() - {"crop"} or not (heads or _bare_shape(clause)) or clause.has("not", "too"):
        return None
    if clause.says("cut") and clause.has("add", "insert"):
        return None
    refers = clause.refers()
    verb = next((item for item in clause.items if item.kind == "head" and item.value.form == "verb"), None)
    clause.take_all("head")
    clause.take_all("direction", "degree") if heads else None
    if any(head.args.get("off") for head in heads):
        return _cut_off(clause)
    if any(head.args.get("out") for head in heads):
        clause.region()
        return [Draft("crop", need=CROP_TO_WHAT, refers=refers)]
    args = _shape(clause, [head.args["aspect"] for head in heads if "aspect" in head.args])
    if args is None:
        return None
    if clause.says("only", "just") and clause.says(
        "left", "remain", "remains", "visible", "seen", "stays", "keep", "worth"
    ):
        clause.take_all("turn", "unknown") if set(clause.all("unknown")) <= {
            "visible",
            "seen",
            "worth",
            "remain",
            "remains",
            "stays",
        } else None
    clause.take_all("turn") if clause.says("portrait", "landscape") else None
    middle = args and [place for place in clause.all("place") if place == "middle"]
    if middle:
        clause.take_all("place")
    cut = None if args else _share_off(clause)
    if cut:
        return [Draft("crop", {"box": cut})]
    if clause.says("keep", "keeping") and clause.has("thing") and not args:
        return None
    if args:
        clause.items = [item for item in clause.items if not (item.kind == "det" and item.value in {"her", "him"})]
    if verb is not None and any(
        item.kind == "thing" and item.start < verb.start and not item.value.whole for item in clause.items
    ):
        return None
    aimed = _aimed(clause)
    region = clause.region("around", "toward", "towards", "near", "by")
    if args and region in {"left", "right", "top", "bottom"}:
        return None
    if not args and (region is None or not aimed):
        return [Draft("crop", need=CROP_TO_WHAT, refers=refers)]
    return [Draft("crop", args, region)]


_RIMS = {"side", "sides", "edge", "edges", "corner", "corners", "top", "bottom"}


def _aimed(clause: Clause) -> bool:
    """Whether what is named is to be kept ("crop to the cat"); "trim the edges" does not say."""
    if clause.says("zoom", "zooming", "close", "only", "just", "focus", "tighter"):
        return True
    things = [item for item in clause.items if item.kind in {"thing", "place"}]
    if any(clause.words[item.start - 1].text in {"to", "on", "around", "into"} for item in things if item.start):
        return True
    first = {clause.words[item.start].text for item in things}
    rims = any(item.kind == "place" or bool(_RIMS & set(item.value.words.split()[-1:])) for item in things)
    return bool(first & {"to", "around", "into", "onto"}) or (bool(first & {"on", "at", "in"}) and not rims)


def _bare_shape(clause: Clause) -> bool:
    """ "16:9 please", "widescreen": nothing but a shape."""
    parts = any(not thing.whole for thing in clause.all("thing"))
    return clause.has("ratio", "shape") and not parts and not clause.has("quote", "color", "ref")


def _shape(clause: Clause, said: list[str]) -> dict[str, str] | None:
    """{"aspect": …}, {"preset": …}, {} where no shape is named, None where several are."""
    ratios = [*said, *clause.take_all("ratio")]
    names = clause.take_all("shape")
    if any(not all(float(side) > 0 for side in _tidy(ratio).split(":")) for ratio in ratios):
        return None
    aspects = {_tidy(ratio) for ratio in [*ratios, *(name for name in names if ":" in name)]}
    presets = {name for name in names if ":" not in name}
    if len(aspects) > 1 or (not aspects and len(presets) > 1):
        return None
    if aspects:
        return {"aspect": aspects.pop()}
    return {"preset": presets.pop()} if presets else {}


def _tidy(ratio: str) -> str:
    return re.sub(r"\s", "", ratio).replace(",", ".")


_SIDES = {"top": 1, "bottom": 3, "left": 0, "right": 2}


def _cut_off(clause: Clause) -> list[Draft] | None:
    """ "Cut 20 % off the bottom", "trim the left third off"."""
    cut = _share_off(clause, off=True)
    if cut:
        return [Draft("crop", {"box": cut})]
    clause.region()
    clause.take_all("turn")
    return [Draft("crop", need=CROP_TO_WHAT)]


_SHARES = {"half": 0.5, "third": 1 / 3, "two thirds": 2 / 3, "quarter": 0.25, "three quarters": 0.75}


_ALL_SIDES = {
    "each side",
    "all sides",
    "every side",
    "all four sides",
    "all the sides",
    "each edge",
    "all edges",
    "all around",
    "every edge",
}


def _around(clause: Clause) -> bool:
    text = " ".join(word.text for word in clause.words)
    return any(sides in text for sides in _ALL_SIDES)


def _share_off(clause: Clause, off: bool = False) -> list[float] | None:
    """The box that is left when a share of one side, or of all, is cut off; None where no share or no side is said."""
    quantity = clause.quantity("percent", "part")
    if quantity and _around(clause) and 0 < quantity.share < 0.5:
        clause.take_all("thing", "place", "prep", "vague", "det", "noun", "unknown")
        return [round(side, 3) for side in (quantity.share, quantity.share, 1 - quantity.share, 1 - quantity.share)]
    places = [*clause.all("place"), *({1: "right", -1: "left"}[turn] for turn in clause.all("turn"))]
    off = off or clause.says("off", "from", "away")
    if len(places) != 1 or not (quantity or off):
        return None
    side, _, share = places[0].partition(" ")
    size = quantity.share if quantity else _SHARES.get(share)
    if side not in _SIDES or size is None or not 0 < size < 1 or not off:
        return None
    clause.take_all("place", "turn", "prep")
    box = [0.0, 0.0, 1.0, 1.0]
    box[_SIDES[side]] = round(size if side in {"top", "left"} else 1 - size, 3)
    return box


def resize(clause: Clause, size: tuple[int, int] | None) -> list[Draft] | None:
    """To pixels or by a factor. `size`: the picture's width and height, for "2000 px on the long side"."""
    heads = clause.heads("resize")
    pixels = clause.all("pixels")
    if clause.tools() - {"resize"} or clause.has("not") or not (heads or pixels or _pixels_said(clause)):
        return None
    sign = next((head.args["sign"] for head in heads if "sign" in head.args), 0)
    if clause.take_all("too"):
        sign = -sign
    sign = clause.direction() or sign
    clause.take_all("head")
    if clause.take("pixels"):
        width, height = (int(side) for side in pixels[0].split("x"))
        if not 0 < width <= 16384 or not 0 < height <= 16384:
            return None
        return [Draft("resize", {"width": width, "height": height})]
    args = _sides(clause, size) or _scale(clause, sign)
    clause.take_all("degree", "dim")
    if args:
        return [Draft("resize", args)]
    pixels_said = clause.quantity("px", "")
    return [Draft("resize", need=_which_side(pixels_said) if pixels_said else WHAT_SIZE)]


def _which_side(quantity: Quantity) -> Need:
    """ "Resize to 800 pixels": wide or high?"""
    value = round(quantity.value)
    sides = (
        Candidate(label=f"{value} pixels wide", value={"width": value}),
        Candidate(label=f"{value} pixels high", value={"height": value}),
    )
    return Need(f"Should it be {value} pixels wide or high?", "args", sides)


def _pixels_said(clause: Clause) -> bool:
    units = {quantity.unit for quantity in clause.all("quantity")}
    return "px" in units or (clause.has("dim") and "" in units)


def _sides(clause: Clause, size: tuple[int, int] | None) -> dict[str, int]:
    """{"width": 1200}, {"height": …} or both."""
    args: dict[str, int] = {}
    dims = clause.all("dim")
    quantities = [q for q in clause.all("quantity") if q.unit == "px" or (q.unit == "" and q.value >= 16)]
    if not dims or len(quantities) != len(dims) or len(quantities) != len(clause.all("quantity")):
        return {}
    for quantity, dim in zip(quantities, dims, strict=True):
        side = _side(dim, size)
        if side and quantity.value >= 1:
            args[side] = round(quantity.value)
    clause.take_all("quantity", "dim")
    return args


def _side(dim: str, size: tuple[int, int] | None) -> str | None:
    if dim not in {"longest", "shortest"}:
        return dim
    if size is None:
        return None
    return "width" if (size[0] >= size[1]) == (dim == "longest") else "height"


def _scale(clause: Clause, sign: int) -> dict[str, float]:
    """Half the size, to 50 %, by 20 %, twice as big, by factor three."""
    quantity = clause.quantity("percent", "part", "times") or (
        None if any(q.value > 20 for q in clause.all("quantity")) else clause.quantity("")
    )
    if quantity is None:
        return {"scale": 0.5} if clause.says("half", "halve") else {}
    factor = quantity.value / 100 if quantity.unit == "percent" else quantity.value
    if quantity.unit in ("times", ""):
        factor = 1 / factor if sign < 0 and factor > 1 else factor
    elif clause.says("by") and factor < 1:
        factor = 1 + sign * factor if sign else factor
    elif sign > 0 and factor < 1 and not clause.says("to"):
        factor = 1 + factor
    elif sign < 0 and factor < 1 and clause.says("smaller"):
        factor = 1 - factor
    return {"scale": round(factor, 3)} if 0.01 <= factor <= 64 else {}


def rotate(clause: Clause) -> list[Draft] | None:
    """By an angle, to a side, or on its head."""
    _no_thing(clause)
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
    heads = clause.heads("straighten")
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
    if axes and clause.says("is", "are", "looks", "faces"):
        clause.take_all("thing")
    if any(head.form == "flaw" for head in clause.heads("rotate")):
        axes.add("vertical" if any("degrees" in head.args for head in clause.heads("rotate")) else "horizontal")
    fixed = {head.args["axis"] for head in heads if "axis" in head.args}
    clause.take_all("head")
    axes = axes or fixed
    if len(axes) > 1:
        return None
    return [Draft("flip", {"axis": axes.pop()})] if axes else [Draft("flip", need=FLIP_WHICH_WAY)]
