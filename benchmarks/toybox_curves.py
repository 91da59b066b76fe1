"""Curves of the toybox's report as pictures that lie in the page: what more of a scale gives, and what it costs.

Draws what `toybox_masks.trade_off` and `toybox_instructions.trade_off` have measured, and measures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.world import Figures

WIDTH, HEIGHT, LEFT, BELOW, ABOVE, RIGHT = 380, 260, 48, 40, 14, 32
"""Of a picture in pixels, and its margins."""
COLOURS = ("#2f6fde", "#d9822b", "#28964a", "#b0469b", "#7a7a7a")
TICKS = 5


@dataclass(frozen=True)
class Point:
    """Of a curve: where it is, what is said of it, and the interval of y where there is one."""

    x: float
    y: float
    said: str
    between: Sequence[float] = ()


Curves = Mapping[str, Sequence[Point]]
"""By name."""


def drawn(figures: Figures) -> str:
    """All the curves that there are figures of."""
    parts = []
    if rows := figures.get("diffedit_curve"):
        parts += [_masks(rows, figures.get("diffedit_curve_ci"))]
    for name, said in (("text", "s_T, the text's scale"), ("image", "s_I, the picture's scale")):
        if rows := figures.get(f"ip2p_{name}_curve"):
            parts += [_scale(said, rows, figures.get(f"ip2p_{name}_curve_ci"))]
    return f"<h2>Trade-offs</h2><div class=curves>{''.join(parts)}</div>" if parts else ""


Rows = Sequence[Sequence[float]]
Between = Sequence[Sequence[Sequence[float]]] | None
"""Of each row the intervals of what is measured in it."""


def _masks(rows: Rows, between: Between) -> str:
    """Success against PSNR outside, a curve a threshold, of rows (ratio, threshold, success, kept, PSNR)."""
    curves: dict[str, list[Point]] = {}
    for row, (done, *_) in zip(rows, between or [((),)] * len(rows), strict=True):
        curves.setdefault(f"threshold {row[1]}", []).append(Point(row[4], row[2], f"r {row[0]}", done))
    said = "DiffEdit: each point is one encoding ratio r; up is done more often, right is more left alone."
    return chart(curves, "PSNR where nothing should change, dB", "success", said)


def _scale(name: str, rows: Rows, between: Between) -> str:
    """Success and what is kept against a scale, of rows (scale, success, kept, change)."""
    curves: dict[str, list[Point]] = {"success": [], "kept": []}
    for row, (done, kept, *_) in zip(rows, between or [((), ())] * len(rows), strict=True):
        curves["success"].append(Point(row[0], row[1], "", done))
        curves["kept"].append(Point(row[0], row[2], "", kept))
    return chart(curves, name, "share", f"InstructPix2Pix: {name}; what is asked, and what else stands.")


def chart(curves: Curves, across: str, upward: str, caption: str) -> str:
    """Curves as SVG over a share 0…1, with what they are below."""
    points = [point for curve in curves.values() for point in curve]
    low, high = min(point.x for point in points), max(point.x for point in points)
    room = (high - low or 1.0) * 0.06
    low, high = low - room, high + room

    def x(value: float) -> float:
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BELOW - value * (HEIGHT - BELOW - ABOVE)

    lines = [_grid(y(k / (TICKS - 1)), k / (TICKS - 1)) for k in range(TICKS)]
    values = [low + room + k * (high - low - 2 * room) / (TICKS - 1) for k in range(TICKS)]
    lines += [_text(x(v), HEIGHT - BELOW + 16, f"{v:.3g}", "middle") for v in values]
    for colour, curve in zip(COLOURS, curves.values(), strict=False):
        path = " ".join(f"{x(p.x):.1f},{y(p.y):.1f}" for p in curve)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for p in curve:
            lines.append(f'<circle cx="{x(p.x):.1f}" cy="{y(p.y):.1f}" r="3.5" fill="{colour}"/>')
            lines.append(_text(x(p.x) + 5, y(p.y) - 5, p.said, "start") if p.said else "")
            lines.append(_whisker(x(p.x), *map(y, p.between), colour) if p.between else "")
    lines.append(_text((LEFT + WIDTH) / 2, HEIGHT - 6, across, "middle"))
    lines.append(f'<g transform="translate(12 {HEIGHT / 2 - 10}) rotate(-90)">{_text(0, 0, upward, "middle")}</g>')
    key = " ".join(f'<span style="color:{c}">■ {escape(name)}</span>' for c, name in zip(COLOURS, curves, strict=False))
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    said = f"<figcaption>{key}<br>{escape(caption)}</figcaption>"
    return f"<figure><svg {size} role=img>{''.join(lines)}</svg>{said}</figure>"


def _grid(y: float, value: float) -> str:
    line = f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" opacity=".15"/>'
    return line + _text(LEFT - 6, y + 4, f"{value:.2f}", "end")


def _whisker(x: float, low: float, high: float, colour: str) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}" opacity=".6"/>'


def _text(x: float, y: float, said: str, anchor: str) -> str:
    start = f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'{start} font-size="11" fill="currentColor">{escape(said)}</text>'
