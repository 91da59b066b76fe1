"""The history tree of the page: where each revision stands, and what was picked, compared or merged there.

`layout` is pure; `static/timeline.js` draws it. Nothing here moves a branch or makes a revision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from agent.telling import title
from sessions.history import Graph
from sessions.values import Json, Revision

MAX_WORDS = 240
"""Longest quotation of a message on a card, in characters."""

_STATIC = Path(__file__).parent / "static"
_HTML = """
<div class="timeline">
  <div class="scroller">
    <div class="lanes" role="group" aria-label="Branches"></div>
    <div class="tree" role="tree" aria-label="History" aria-orientation="horizontal">
      <svg aria-hidden="true"></svg>
    </div>
  </div>
  <div class="card" popover="manual" aria-hidden="true">
    <img alt="">
    <p class="title"></p>
    <p class="words"></p>
    <p class="hint"></p>
  </div>
  <div class="menu" popover="manual" role="menu"></div>
  <div class="ghost" popover="manual" aria-hidden="true"></div>
</div>
"""


@dataclass(frozen=True)
class Pick:
    """Continue from this revision (a full id)."""

    revision: str


@dataclass(frozen=True)
class Pair:
    """Two revisions to set side by side, or to merge: `a` is brought to `b`."""

    a: str
    b: str
    what: Literal["compare", "merge"]


_mount = st.components.v2.component(
    "pentimento.timeline",
    html=_HTML,
    css=(_STATIC / "timeline.css").read_text(encoding="utf-8"),
    js="\n".join((_STATIC / name).read_text(encoding="utf-8") for name in ("shared.js", "timeline.js")),
)


def timeline(data: Json, key: str) -> Pick | Pair | None:
    """Draw a layout; what was done there since the last run of the script, or None."""
    result = _mount(key=key, data=data, on_picked_change=lambda: None, on_paired_change=lambda: None)
    known = {node["id"] for node in data["nodes"]}
    return _pick(result.get("picked"), known) or _pair(result.get("paired"), known)


def _pick(value: object, known: set[str]) -> Pick | None:
    return Pick(value) if isinstance(value, str) and value in known else None


def _pair(value: object, known: set[str]) -> Pair | None:
    if not isinstance(value, dict):
        return None
    a, b, what = value.get("a"), value.get("b"), value.get("what")
    if not (isinstance(a, str) and isinstance(b, str) and what in ("compare", "merge")):
        return None
    return Pair(a, b, what) if a != b and {a, b} <= known else None


def layout(graph: Graph, thumb: Callable[[Revision], str], here: str | None = None) -> Json:
    """Nodes with their column and row, and lanes with their labels, ready for `timeline`.

    A column is the longest way from a root, so that parents stand left of their children. `thumb`: URL of a small
    picture (about 256 px: the card shows it larger). `here`: the revision the page stands on, by default the head.
    """
    here = here or (graph.head.id if graph.head else None)
    starts = lines(graph)
    columns = _columns(graph)
    rows = _rows(graph, starts, columns)
    shown = _shown_line(graph, here)
    flags = _flags(graph, starts)
    nodes = [
        {
            "id": revision.id,
            "seq": revision.seq,
            "column": columns[revision.id],
            "row": rows[starts[revision.id]],
            "parents": list(revision.parents),
            "thumb": thumb(revision),
            "width": revision.width,
            "height": revision.height,
            "title": title(revision),
            "words": _shortened(graph.words.get(revision.id, "")),
            "live": revision.id in graph.live,
            "line": revision.id in shown,
            "flags": flags.get(revision.id, []),
        }
        for revision in graph.revisions
    ]
    return {"nodes": nodes, "lanes": _lanes(graph, starts, rows), "here": here}


def lines(graph: Graph) -> dict[str, str]:
    """Revision → the first revision of its line, which goes on in the oldest child that is live or undone as it is.

    Nothing that comes later moves a revision to another line, as long as no head moves back.
    """
    starts: dict[str, str] = {}
    continued: set[str] = set()
    for revision in graph.revisions:
        parent = revision.parents[0] if revision.parents else None
        alike = (parent in graph.live) == (revision.id in graph.live)
        if parent is None or parent in continued or not alike:
            starts[revision.id] = revision.id
        else:
            starts[revision.id] = starts[parent]
            continued.add(parent)
    return starts


def _rows(graph: Graph, starts: Mapping[str, str], columns: Mapping[str, int]) -> dict[str, int]:
    """Line → row: the current branch's, the other live ones by age, and below them the undone ones, close together."""
    current = starts[graph.head.id] if graph.head else None
    tips = _tips(starts)  # by age, as the graph's revisions are
    live = sorted((line for line in tips if line in graph.live), key=lambda line: line != current)
    rows = {line: row for row, line in enumerate(live)}
    ends: list[int] = []
    for line in (line for line in tips if line not in graph.live):
        row = next((r for r, end in enumerate(ends) if end + 1 < columns[line]), len(ends))
        ends[row : row + 1] = [columns[tips[line]]]
        rows[line] = len(live) + row
    return rows


def _columns(graph: Graph) -> dict[str, int]:
    columns: dict[str, int] = {}
    for revision in graph.revisions:
        columns[revision.id] = 1 + max((columns[p] for p in revision.parents), default=-1)
    return columns


def _tips(starts: Mapping[str, str]) -> dict[str, str]:
    """Line → its last revision."""
    return {line: revision for revision, line in starts.items()}


def _lanes(graph: Graph, starts: Mapping[str, str], rows: Mapping[str, int]) -> list[Json]:
    """Row by row what its label says, and the revision a click on it continues from; of undone lines neither."""
    tips = _tips(starts)
    lanes: list[Json] = [
        {"names": [], "tip": None, "current": False} for _ in range(max(rows.values(), default=-1) + 1)
    ]
    for line in (line for line in rows if line in graph.live):
        names = [name for name, head in graph.branches.items() if head == tips[line]]
        names.sort(key=lambda name: (name != graph.current, name))
        lanes[rows[line]] = {"names": names, "tip": tips[line], "current": graph.current in names}
    return lanes


def _flags(graph: Graph, starts: Mapping[str, str]) -> dict[str, list[str]]:
    """Revision → tags, and branches that end in the middle of a line."""
    tips = set(_tips(starts).values())
    flags: dict[str, list[str]] = {}
    for name, revision in [*graph.tags.items(), *((n, h) for n, h in graph.branches.items() if h not in tips)]:
        flags.setdefault(revision, []).append(name)
    return flags


def _shown_line(graph: Graph, here: str | None) -> set[str]:
    """The one line that a phone shows: the current branch's where `here` is on it, otherwise that of `here`."""
    if here is None or graph.head is None:
        return set()
    current = {revision.id for revision in graph.line(graph.head.id)}
    return current if here in current else {revision.id for revision in graph.line(here)}


def _shortened(words: str) -> str:
    return words if len(words) <= MAX_WORDS else words[: MAX_WORDS - 1].rstrip() + "…"
