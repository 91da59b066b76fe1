"""What is in the picture of a revision, and what two revisions share: steps, ancestors, the best common one.

Reads a `Graph`; no database, no pixels. History is a DAG: a merge has two parents, and both count as its history. What
is in its picture is less: what it left out is not, and of two steps that were the same call only one is.
"""

from __future__ import annotations

from collections.abc import Mapping

from sessions.history import Graph
from sessions.values import Revision

COMPOSITED, REPLAYED, LEFT_OUT = "composited", "replayed", "left_out"
"""Facts of a merge, lists of steps: whose pixels it took over, which it did again, which of either side it left out.

A step that was done instead of an earlier one names that as left out too, and later ones that were done again. Left
out is a word about that one picture: another line may have the same step, and where both meet that line keeps it.
"""


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


def steps(graph: Graph, revision: str) -> tuple[Revision, ...]:
    """The steps that are in the picture of a revision, in the order in which they came into it, each once."""
    return _pictures(graph, revision)[revision]


def apart(graph: Graph, one: str, other: str) -> tuple[tuple[Revision, ...], tuple[Revision, ...]]:
    """The steps that are in the picture of `one` and not in that of `other`, and the other way round; in order."""
    mine, theirs = steps(graph, one), steps(graph, other)
    both = {step.id for step in mine} & {step.id for step in theirs}
    return tuple(s for s in mine if s.id not in both), tuple(s for s in theirs if s.id not in both)


def without(graph: Graph, revision: str, dropped: frozenset[str]) -> tuple[Revision, tuple[Revision, ...]]:
    """Where to begin so as to have a picture without the steps `dropped`, and the other steps still to be done there.

    That is the newest revision on the first-parent line with nothing but the first of those others in its picture.
    """
    pictures = _pictures(graph, revision)
    wanted = tuple(step for step in pictures[revision] if step.id not in dropped)
    line = ((one, pictures[one.id]) for one in graph.line(revision))
    start, has = next((one, has) for one, has in line if has == wanted[: len(has)])
    return start, wanted[len(has) :]


def _pictures(graph: Graph, revision: str) -> Mapping[str, tuple[Revision, ...]]:
    """The steps in the picture of a revision and of each of its ancestors."""
    mine = ancestors(graph, revision)
    found: dict[str, tuple[Revision, ...]] = {}
    older: dict[str, int] = {}  # a revision and its ancestors as the bits of a number: sets would take seconds
    for place, one in enumerate(one for one in graph.revisions if one.id in mine):
        ours, theirs = (*one.parents, None, None)[:2]
        older[one.id] = 1 << place | older.get(ours or "", 0) | older.get(theirs or "", 0)
        if ours is None:
            found[one.id] = ()
        elif theirs is None:
            kept = _kept(one, found[ours])
            found[one.id] = (*kept, one) if one.step is not None else kept
        elif older[ours] & older[theirs] == older[ours]:  # theirs went on from ours, and its picture is what came
            found[one.id] = found[theirs]
        else:
            found[one.id] = _merged(one, found[ours], found[theirs])
    return found


def _merged(merge: Revision, ours: tuple[Revision, ...], theirs: tuple[Revision, ...]) -> tuple[Revision, ...]:
    """Ours but what the merge left out, then what it brought of theirs."""
    kept = _kept(merge, ours)
    brought = {*merge.facts.get(COMPOSITED, ()), *merge.facts.get(REPLAYED, ())} - {step.id for step in kept}
    return kept + tuple(step for step in theirs if step.id in brought)


def _kept(revision: Revision, steps: tuple[Revision, ...]) -> tuple[Revision, ...]:
    """The steps but those that a revision left out."""
    gone = set(revision.facts.get(LEFT_OUT, ()))
    return tuple(step for step in steps if step.id not in gone) if gone else steps
