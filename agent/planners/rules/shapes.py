"""Clauses about the picture's outline → crop, resize."""

from __future__ import annotations

import re

from agent.plan import Candidate
from agent.planners.rules.clause import Clause, Draft, Need
from agent.planners.rules.items import Item
from agent.planners.rules.numbers import Quantity

_SHAPES = ("1:1", "4:3", "3:2", "16:9")
CROP_TO_WHAT = Need(
    "Crop it to which shape, or to which part of the picture?",
    "args.aspect",
    tuple(Candidate(label={"1:1": "square (1:1)"}.get(shape, shape), value=shape) for shape in _SHAPES),
    free=True,
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
    kept = _kept_alone(clause)
    if kept is not None:
        return [Draft("crop", region=kept)]
    if clause.tools() - {"crop"} or not (heads or _bare_shape(clause)) or clause.has("not", "too"):
        return None
    if clause.says("cut") and clause.has("add", "insert"):
        return None
    clause.drop([item for item in clause.items if item.kind == "thing" and item.value.prep == "for"])
    refers = clause.refers()
    verb = next((item for item in clause.items if item.kind == "head" and item.value.form == "verb"), None)
    clause.take_all("head")
    clause.take_all("direction", "degree") if heads else None
    clause.take_all("dim") if clause.has("ratio") else None
    clause.take_all("vague") if clause.has("ratio") and clause.says("landscape") else None
    if any(head.args.get("off") for head in heads):
        return _cut_off(clause)
    if any(head.args.get("out") for head in heads):
        kept = (clause.region() or "").partition("everything but ")[2].removeprefix("the ")
        return [Draft("crop", region=kept)] if kept else [Draft("crop", need=CROP_TO_WHAT, refers=refers)]
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


def _kept_alone(clause: Clause) -> str | None:
    """ "I only want the bowl", "everything except the right half can go", "make the cat fill the frame"."""
    gone = [
        item for item in clause.head_items("remove", "crop") if item.value.form == "noun" or item.value.args.get("off")
    ]
    if (
        len(gone) == 1
        and clause.says("go", "goes", "gone", "removed")
        and len(clause.heads()) == 1
        and clause.has("except")
        and not clause.has("not")
    ):
        at = next(item for item in clause.items if item.kind == "except").start
        things = [item for item in clause.items if item.kind in {"place", "thing"} and item.start > at]
        if (
            len(things) != 1
            or not clause.words[at].text.startswith(("every", "all"))
            or clause.says("behind", "outside")
        ):
            return None
        clause.take_all("head", "except", "thing", "place")
        return things[0].value.words if things[0].kind == "thing" else str(things[0].value)
    fills = "fill the frame" in clause.text or "fill the whole frame" in clause.text
    only = clause.has("only") and clause.says("want", "need", "keep", "wants", "needs", "leave")
    if (
        clause.heads()
        or clause.has("not", "too", "direction", "color", "quote", "ref", "quantity")
        or not (only or fills)
    ):
        return None
    if any((thing.prep or not thing.known) and not thing.whole for thing in clause.all("thing")):
        return None
    clause.items = [item for item in clause.items if str(item.value) not in {"i", "we"}]
    return clause.region()


_RIMS = {"side", "sides", "edge", "edges", "corner", "corners", "top", "bottom"}


def _aimed(clause: Clause) -> bool:
    """Whether what is named is to be kept ("crop to the cat"); "trim the edges" does not say."""
    if clause.says("zoom", "zooming", "close", "only", "just", "focus", "tighter"):
        return True
    things = [item for item in clause.items if item.kind in {"thing", "place"}]
    led = [{word.text for word in clause.words[max(0, item.start - 3) : item.start]} for item in things]
    if any(words & {"to", "on", "around", "into"} for words in led):
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
    signed = [head for head in heads if "sign" in head.args]
    sign = next((head.args["sign"] for head in sorted(signed, key=lambda head: head.form == "adjective")), 0)
    if clause.take_all("too"):
        sign = -sign
    sign = clause.direction() or sign
    clause.take_all("head")
    if clause.take("pixels"):
        width, height = (int(side) for side in pixels[0].split("x"))
        if not 0 < width <= 16384 or not 0 < height <= 16384:
            return None
        return [Draft("resize", {"width": width, "height": height})]
    if clause.says("widen") and not clause.has("dim"):
        clause.items.append(Item("dim", "width", len(clause.words), len(clause.words)))
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
