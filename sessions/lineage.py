"""What two revisions share and what each has of its own: ancestors, the best common one, the steps since.

Reads a `Graph`; no database, no pixels. History is a DAG: a merge has two parents, and both count.
"""

from __future__ import annotations

from collections.abc import Iterator

from sessions.history import Graph
from sessions.values import Revision

LEFT_OUT = "left_out"
"""The fact of a merge that lists the steps which it brought along as history but not as pixels."""


def ancestors(graph: Graph, revision: str) -> frozenset[str]:
    """The revision, its parents, first and second, and theirs."""
    seen: set[str] = set()
    todo = [revision]
    while todo:
        here = todo.pop()
        if here not in seen:
            seen.add(here)
            todo.extend(graph.by_id[here].parents)
    return frozenset(seen)


def common(graph: Graph, one: str, other: str) -> Revision | None:
    """The best common ancestor: one that no other common ancestor descends from; None where they share nothing.

    Lines that were merged across each other have several. Then it is the one with the longest history, and of two such
    the one with the smaller id, whichever way round one asks.
    """
    shared = ancestors(graph, one) & ancestors(graph, other)
    older = {parent for revision in shared for parent in graph.by_id[revision].parents}
    best = sorted(shared - older, key=lambda revision: (-len(ancestors(graph, revision)), revision))
    return graph.by_id[best[0]] if best else None


def since(graph: Graph, revision: str, other: str) -> tuple[Revision, ...]:
    """The revisions that `revision` has and `other` has not, parents first, a first parent's line before a second's."""
    return tuple(_in_order(graph, revision, ancestors(graph, other)))


def steps_since(graph: Graph, revision: str, other: str) -> tuple[Revision, ...]:
    """Of `since`, those in which a tool was used and that no merge on the way left out."""
    found = since(graph, revision, other)
    gone = {left for merge in found if len(merge.parents) == 2 for left in merge.facts.get(LEFT_OUT, ())}
    return tuple(one for one in found if one.step is not None and one.id not in gone)


def without(graph: Graph, revision: str, dropped: frozenset[str]) -> Revision | None:
    """The newest revision on the first-parent line that has none of the steps `dropped` in its history."""
    return next((one for one in graph.line(revision) if not dropped & ancestors(graph, one.id)), None)


def _in_order(graph: Graph, revision: str, known: frozenset[str]) -> Iterator[Revision]:
    """Depth first, a revision after all its parents."""
    seen = set(known)
    todo = [(revision, False)]
    while todo:
        here, ready = todo.pop()
        if ready:
            yield graph.by_id[here]
        elif here not in seen:
            seen.add(here)
            todo.append((here, True))
            todo.extend((parent, False) for parent in reversed(graph.by_id[here].parents))
