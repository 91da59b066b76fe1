"""How much: words of degree and quantities → the numbers that the tools take, tool by tool.

"a bit", "a lot" and nothing said have fixed values here; where nothing is said and the tool has a default, no number is
given at all.
"""

from __future__ import annotations

from agent.planners.rules.clause import Clause
from agent.planners.rules.numbers import Quantity

SCALES: dict[str, dict[str, float]] = {
    "adjust": {"tiny": 0.1, "small": 0.2, "medium": 0.3, "": 0.3, "big": 0.6, "huge": 0.9},
    "blur": {"tiny": 0.1, "small": 0.2, "medium": 0.5, "big": 0.8, "huge": 1.0},
    "sharpen": {"tiny": 0.1, "small": 0.2, "medium": 0.4, "big": 0.7, "huge": 1.0},
    "denoise": {"tiny": 0.15, "small": 0.3, "medium": 0.5, "big": 0.9, "huge": 1.0},
    "vignette": {"tiny": 0.1, "small": 0.2, "medium": 0.4, "": 0.4, "big": 0.7, "huge": 1.0},
    "auto": {"tiny": 0.2, "small": 0.35, "medium": 0.6, "huge": 1.0},
    "border": {"tiny": 0.01, "small": 0.015, "big": 0.1, "huge": 0.2},
}
RELATIVE = ("", "percent", "part", "stops", "points")
LIGHTS = {"exposure", "highlights", "shadows"}
"""Sliders of adjust that make something brighter or darker."""


def amount(clause: Clause, tool: str) -> float | None:
    """The strength that the clause names, taken, or the scale's value for its word; None: the tool's default."""
    quantity = clause.quantity(*RELATIVE)
    degree = clause.degree()
    if quantity is not None:
        return round(min(1.0, abs(quantity.share)), 3)
    return SCALES[tool].get(degree or "")


def shift(quantity: Quantity, argument: str) -> float | None:
    """What a quantity means for one slider of adjust, unsigned; None where it means nothing there."""
    if quantity.unit == "times":
        return {"exposure": min(1.0, 0.5 * (quantity.value - 1))}.get(argument, min(1.0, quantity.value - 1))
    if quantity.unit not in RELATIVE:
        return None
    share = abs(quantity.share)
    return round(share, 3) if share <= 1 else None
