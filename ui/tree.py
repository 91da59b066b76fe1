"""The history as a tree of text, newest first, one lane a line of history, as `git log --graph` draws it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from agent.telling import title
from sessions.history import Graph
from sessions.values import Revision

Lanes = list[str | None]
"""Which revision each lane waits for, from left to right; None: the lane is free."""


@dataclass(frozen=True)
class Row:
    """One line: the lanes, and the revision it stands for, or None for a joint. `live`: some branch reaches it."""

    lanes: str
    revision: Revision | None = None
    branches: tuple[str, ...] = ()
    title: str = ""
    words: str = ""
    live: bool = True
    current: bool = False


def tree(graph: Graph) -> Iterator[Row]:
    """Rows from the newest revision down to the roots. Undone lines are there too, as `o`."""
    waiting: Lanes = []
    for revision in sorted(graph.revisions, key=lambda r: -r.seq):
        lanes = [i for i, wanted in enumerate(waiting) if wanted == revision.id] or [_take(waiting, revision.id)]
        for left, closing in reversed(list(pairwise(lanes))):
            yield Row(_edge(waiting, left, closing, "/", stays=False))
            waiting[closing] = None
            _trim(waiting)
        yield _row(graph, revision, waiting, lanes[0])
        waiting[lanes[0]] = revision.parents[0] if revision.parents else None
        for second in revision.parents[1:]:
            yield Row(_second(waiting, lanes[0], second))
        _trim(waiting)


def _row(graph: Graph, revision: Revision, waiting: Lanes, lane: int) -> Row:
    live = revision.id in graph.live
    mark = "*" if live else "o"
    lanes = " ".join(mark if i == lane else "|" if wanted else " " for i, wanted in enumerate(waiting))
    heads = tuple(name for name, head in sorted(graph.branches.items()) if head == revision.id)
    words = graph.words.get(revision.id, "")
    name = title(revision).split(" ", 1)[1]
    return Row(lanes, revision, heads, name, words, live, graph.current in heads)


def _second(waiting: Lanes, lane: int, parent: str) -> str:
    """The line from a merge to its second parent's lane, which is opened where no other lane waits for it."""
    there = [i for i, wanted in enumerate(waiting) if wanted == parent and i != lane]
    other = there[0] if there else _take(waiting, parent, lane + 1)
    return _edge(waiting, min(lane, other), max(lane, other), "\\" if other > lane else "/", stays=bool(there))


def _take(waiting: Lanes, revision: str, start: int = 0) -> int:
    """The first free lane from `start` on, which from now on waits for a revision."""
    lane = next((i for i in range(start, len(waiting)) if waiting[i] is None), len(waiting))
    waiting[lane : lane + 1] = [revision]
    return lane


def _trim(waiting: Lanes) -> None:
    while waiting and waiting[-1] is None:
        waiting.pop()


def _edge(waiting: Lanes, left: int, right: int, slant: str, stays: bool) -> str:
    """`|/`, `|\\`, `|_|/`: from lane to lane, past those between; `stays`: the right one goes on straight, too."""
    line = [mark for wanted in waiting for mark in ("|" if wanted else " ", " ")]
    for at in range(2 * left + 1, 2 * right):
        line[at] = "_" if line[at] == " " else line[at]
    line[2 * right - 1] = slant
    if not stays:
        line[2 * right] = " "
    return "".join(line).rstrip()
