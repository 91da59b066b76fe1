"""The pictures behind the figures of the toybox, to look at: a page that needs nothing beside it, and PNG sheets.

Each row is one item: the input, what was asked, the result, the exact result, and what the grader says of it. Above
them stand the figures, those that are asked for first, and the curves (`benchmarks.toybox_curves`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import toybox_curves
from benchmarks.world import Figures, Item
from sessions.values import Pixels
from toybox.marking import Mark

ZOOM, COLUMNS, LINE = 2, 4, 4
"""How much larger than life; items side by side on a sheet; pixels between pictures."""
ROWS = 72
"""Of a part that are on the page; its sheet has all."""
HEADS = {
    "planner": ("head", "said", "picked", "meant", "verdict"),
    "drift": ("photo", "last asked; after 1 and 5 turns", "after 10", "truth", "verdict"),
}
"""What stands over the columns of a part; over all others `HEAD`."""
HEAD = ("before", "asked", "result", "truth", "verdict")
GOOD, BAD = (40, 150, 70), (205, 50, 50)
STYLE = """
:root{color-scheme:light dark;--line:#8883;--soft:#8881}
body{font:15px/1.5 system-ui,sans-serif;margin:2.5em auto;max-width:64em;padding:0 1.5em}
h1{font-size:1.7em;margin:0}h2{font-size:1.2em;margin:2.4em 0 .6em;border-bottom:1px solid var(--line)}
img{image-rendering:pixelated;width:112px;border-radius:4px;display:block}.small img{width:52px}
.small{display:flex;gap:4px;margin-bottom:.4em}
table{border-collapse:collapse}td,th{padding:.35em .9em .35em 0;text-align:left;vertical-align:top}
th{font-weight:600;font-size:.85em;opacity:.7}.rows tr+tr td{border-top:1px solid var(--line);padding-top:.6em}
.rows td{padding-bottom:.6em}.asked{width:17em}.number{text-align:right;font-variant-numeric:tabular-nums}
.figures tr:nth-child(even){background:var(--soft)}.figures td{padding:.15em .9em}
.yes{color:#28964a}.no{color:#cd3232}.verdict::before{content:"● "}
details{margin:.8em 0}summary{cursor:pointer}.curves{display:flex;flex-wrap:wrap;gap:1.5em}
figure{margin:0}figcaption{font-size:.85em;opacity:.8;max-width:26em}
"""


@dataclass(frozen=True, eq=False)
class Row:
    """One item of a report. `pictures`: input, result, and the exact result where it is known; `shown`: those that
    stand beside the words."""

    asked: str
    pictures: tuple[Pixels, ...]
    good: bool
    verdict: str
    shown: tuple[Pixels, ...] = ()

    @classmethod
    def of(cls, one: Item, result: Pixels, mark: Mark) -> Row:
        """An item's result and its mark."""
        verdict = f"{'done' if mark.done else 'not done'}, {mark.kept:.0%} kept"
        return cls(one.said, (one.before.rgb, result, one.after.rgb), mark.done, verdict)


def write(folder: Path, figures: Figures, parts: Mapping[str, Sequence[Row]], first: Sequence[str] = ()) -> Path:
    """The page and a sheet a part; returns the page. `first`: the figures that stand above all others."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        Image.fromarray(sheet(rows)).save(folder / f"{name}.png")
    page = folder / "index.html"
    page.write_text(html(figures, parts, first), encoding="utf-8")
    return page


def sheet(rows: Sequence[Row]) -> Pixels:
    """Rows as one picture: input, result, exact result, over a line that says by its colour whether it was done."""
    cells = [_cell(row) for row in rows]
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % COLUMNS)
    return np.concatenate([np.concatenate(cells[i : i + COLUMNS], 1) for i in range(0, len(cells), COLUMNS)])


def _cell(row: Row) -> Pixels:
    side = np.concatenate([np.kron(rgb, np.ones((ZOOM, ZOOM, 1), np.uint8)) for rgb in row.pictures], 1)
    side[:LINE] = GOOD if row.good else BAD
    return np.pad(side, ((0, LINE), (0, 2 * LINE), (0, 0)), constant_values=255)


def html(figures: Figures, parts: Mapping[str, Sequence[Row]], first: Sequence[str] = ()) -> str:
    """The page: pictures and curves lie in it."""
    above = [name for name in first if name in figures]
    others = [name for name, value in figures.items() if name not in first and _is_figure(name, value)]
    skipped = "".join(f"<p class=no>{escape(name)}: {escape(why)}" for name, why in figures.get("skipped", {}).items())
    rest = f"<details{'' if above else ' open'}><summary>{len(others)} more, baselines among them</summary>"
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>The toybox</title><style>{STYLE}</style><h1>The toybox</h1>"
        "<p>Fresh items with exact truth; every mean with its 95 % interval." + skipped + _figures(figures, above)
        + f"{rest}{_figures(figures, others)}</details>{toybox_curves.drawn(figures)}"
        + "".join(_table(name, rows) for name, rows in parts.items()) + "</html>\n"
    )  # fmt: skip


def _is_figure(name: str, value: Any) -> bool:
    return not name.endswith(("_ci", "_curve", "_seeds")) and name != "skipped" and not isinstance(value, Mapping)


def _figures(figures: Figures, names: Sequence[str]) -> str:
    lines = "".join(
        f"<tr><td>{escape(name)}<td class=number>{escape(_number(figures[name]))}"
        f"<td class=number>{escape(_between(figures.get(f'{name}_ci')))}"
        for name in names
    )
    return f"<table class=figures><tr><th>figure<th>mean<th>95 % interval{lines}</table>" if names else ""


def _number(value: Any) -> str:
    if value is None:
        return "not measured"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _between(ends: Sequence[float] | None) -> str:
    return f"{ends[0]:.3f} – {ends[1]:.3f}" if ends else ""


def _table(name: str, rows: Sequence[Row]) -> str:
    lines = "".join(
        f"<tr><td>{_image(row.pictures[0], 'input')}<td class=asked>{_shown(row)}{escape(row.asked)}"
        f"<td>{_image(row.pictures[1], 'result')}"
        f"<td>{''.join(_image(rgb, 'exact result') for rgb in row.pictures[2:])}"
        f"<td><span class='verdict {'yes' if row.good else 'no'}'>{escape(row.verdict)}</span>"
        for row in rows[:ROWS]
    )
    good = f"{sum(row.good for row in rows)} of {len(rows)}"
    head = "<tr>" + "".join(f"<th>{escape(said)}" for said in HEADS.get(name, HEAD))
    return f"<h2>{escape(name)}</h2><p>{good} as asked.<table class=rows>{head}{lines}</table>"


def _shown(row: Row) -> str:
    images = "".join(_image(rgb, "example") for rgb in row.shown)
    return f"<div class=small>{images}</div>" if images else ""


def _image(rgb: Pixels, alt: str) -> str:
    file = BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return f'<img alt="{alt}" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
