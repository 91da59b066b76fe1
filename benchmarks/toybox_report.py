"""The pictures behind the figures of the toybox, to look at: a page that needs nothing beside it, and PNG sheets.

Each row is one item: the input, what was asked, the result, the exact result, and what the grader says of it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.world import Figures, Item
from sessions.values import Pixels
from toybox.marking import Mark

ZOOM, COLUMNS, LINE = 2, 4, 4
"""How much larger than life; items side by side on a sheet; pixels between pictures."""
GOOD, BAD = (40, 150, 70), (205, 50, 50)
STYLE = """body{font:15px/1.4 sans-serif;margin:2em;max-width:70em} img{image-rendering:pixelated;width:128px}
td,th{padding:.3em .8em;text-align:left;vertical-align:top} .yes{color:#28964a} .no{color:#cd3232}"""


@dataclass(frozen=True, eq=False)
class Row:
    """One item of a report. `pictures`: input, result, exact result."""

    asked: str
    pictures: tuple[Pixels, Pixels, Pixels]
    good: bool
    verdict: str

    @classmethod
    def of(cls, one: Item, result: Pixels, mark: Mark) -> Row:
        """An item's result and its mark."""
        verdict = f"{'done' if mark.done else 'not done'}, {mark.kept:.0%} kept"
        return cls(one.said, (one.before.rgb, result, one.after.rgb), mark.done, verdict)


def write(folder: Path, figures: Figures, parts: Mapping[str, Sequence[Row]]) -> Path:
    """The page and a sheet a part; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        Image.fromarray(sheet(rows)).save(folder / f"{name}.png")
    page = folder / "index.html"
    page.write_text(html(figures, parts), encoding="utf-8")
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


def html(figures: Figures, parts: Mapping[str, Sequence[Row]]) -> str:
    """The page: pictures lie in it."""
    numbers = "".join(
        f"<tr><td>{escape(name)}<td>{escape(str(value))}<td>{escape(str(figures.get(f'{name}_ci', '')))}"
        for name, value in figures.items()
        if not name.endswith("_ci")
    )
    tables = "".join(_table(name, rows) for name, rows in parts.items())
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>The toybox</title><style>{STYLE}</style>"
        f"<h1>The toybox</h1><table><tr><th>figure<th>mean<th>95 % interval{numbers}</table>{tables}</html>\n"
    )


def _table(name: str, rows: Sequence[Row]) -> str:
    lines = "".join(
        f"<tr><td>{_image(row.pictures[0], 'input')}<td>{escape(row.asked)}<td>{_image(row.pictures[1], 'result')}"
        f"<td>{_image(row.pictures[2], 'exact result')}<td class={'yes' if row.good else 'no'}>{escape(row.verdict)}"
        for row in rows
    )
    return f"<h2>{escape(name)}</h2><table><tr><th>before<th>asked<th>result<th>truth<th>verdict{lines}</table>"


def _image(rgb: Pixels, alt: str) -> str:
    file = BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return f'<img alt="{alt}" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
