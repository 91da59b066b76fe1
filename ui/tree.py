"""The history as a tree of text, newest first, one lane a line of history, as `git log --graph` draws it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.telling import title
from sessions.history import Graph
from sessions.values import Revision


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
    waiting: list[str | None] = []
    for revision in sorted(graph.revisions, key=lambda r: -r.seq):
        lanes = [i for i, wanted in enumerate(waiting) if wanted == revision.id]
        if not lanes:
            lanes = [waiting.index(None)] if None in waiting else [len(waiting)]
            waiting[lanes[0] : lanes[0] + 1] = [revision.id]
        for merging in reversed(lanes[1:]):
            yield Row(_joint(waiting, merging))
            waiting[merging] = None
            while waiting and waiting[-1] is None:
                waiting.pop()
        yield _row(graph, revision, waiting, lanes[0])
        waiting[lanes[0]] = revision.parents[0] if revision.parents else None
        while waiting and waiting[-1] is None:
            waiting.pop()


def _row(graph: Graph, revision: Revision, waiting: list[str | None], lane: int) -> Row:
    live = revision.id in graph.live
    mark = "*" if live else "o"
    lanes = " ".join(mark if i == lane else "|" if wanted else " " for i, wanted in enumerate(waiting))
    heads = tuple(name for name, head in sorted(graph.branches.items()) if head == revision.id)
    words = graph.words.get(revision.id, "")
    name = title(revision).split(" ", 1)[1]
    return Row(lanes, revision, heads, name, words, live, graph.current in heads)


def _joint(waiting: list[str | None], merging: int) -> str:
    """`|/`: the lane `merging` runs into the one to its left."""
    drawn = ["|" if wanted else " " for wanted in waiting]
    line = " ".join(drawn)
    return (line[: 2 * merging - 1] + "/" + " " + line[2 * merging + 1 :]).rstrip()
