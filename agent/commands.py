"""Session commands: where they would lead, and carrying them out through `sessions.moves`, once, with a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from agent.events import Moved
from agent.plan import Command
from agent.telling import branch_for, title
from sessions import history, moves
from sessions.errors import NothingToUndo, PlanError
from sessions.history import Graph, resolve
from sessions.store import Store
from sessions.values import Branch, Revision


def head_after(graph: Graph, branch: str, command: Command) -> str | None:
    """The revision the branch's head (or the branch switched to) would be at after a command; runs nothing."""
    head = graph.branches.get(branch)
    if head is None:
        return None
    if command.name == "undo":
        for _ in range(command.count):
            head = _undone(graph, head)
        return head
    if command.name == "redo":
        return graph.undone or head
    if command.name == "reset":
        return list(graph.line(head))[-1].id
    if command.name == "switch" and command.target is not None:
        return resolve(graph, command.target, branch).id
    return head


def _undone(graph: Graph, head: str) -> str:
    """The parent of the oldest non-root revision of the head's turn (as `moves.undo` finds it in the database)."""
    here = graph.by_id[head]
    turn = [
        r for r in graph.revisions if r.parents and r.seq <= here.seq and r.turn is not None and r.turn == here.turn
    ]
    oldest = turn[0] if turn else here
    return oldest.parents[0] if oldest.parents else head


def run(store: Store, session: str, branch: str, command: Command, turn: str) -> Iterator[Moved]:
    """Carry a command out. Each move is one row that names the turn, so that a resent turn goes on after them."""
    done = moves.made_by(store, session, turn)
    if command.name in ("undo", "redo"):
        for number in range(done, command.count):
            yield _back_or_forth(store, session, branch, command.name, number, turn)
    elif done == 0:
        yield _once(store, session, branch, command, turn)


def _back_or_forth(store: Store, session: str, branch: str, name: str, number: int, turn: str) -> Moved:
    try:
        moved = (moves.undo if name == "undo" else moves.redo)(store, session, branch, turn=turn)
    except NothingToUndo:
        if number == 0:
            raise
        moved = moves.branch(store, session, branch)
    here = store.revision(session, moved.head)
    return Moved(moved, f"{'Undone' if name == 'undo' else 'Redone'}: {moved.name} is at {title(here)}.")


def _once(store: Store, session: str, branch: str, command: Command, turn: str) -> Moved:
    if command.name == "reset" or (command.name == "switch" and command.target == "original"):
        moved = moves.reset(store, session, branch, turn=turn)
        return Moved(moved, f"Back to the original: {title(store.revision(session, moved.head))}.")
    if command.name == "branch":
        return _new_branch(store, session, branch, command, turn)
    if command.name == "switch" and command.target is not None:
        return _switch(store, session, branch, command.target, turn)
    raise PlanError(f"I cannot {command.name} in words yet.", "pentimento --help lists what there is.")


def _new_branch(store: Store, session: str, branch: str, command: Command, turn: str) -> Moved:
    here = moves.branch(store, session, branch)
    name = moves.branch_name(command.target or "", "branch")
    opened = moves.create_branch(store, session, name, here.head, exact=command.target is not None, turn=turn)
    return Moved(opened, f"New branch {opened.name} at {title(store.revision(session, opened.head))}.")


def _switch(store: Store, session: str, branch: str, target: str, turn: str) -> Moved:
    """To a branch by its name; to a revision by the branch it heads, or else by a new branch that starts at it."""
    graph = history.graph(store, session)
    meant = resolve(graph, target, branch)
    if target in graph.branches:
        return _arrive(moves.switch(store, session, target, turn=turn), meant, "On branch")
    heads = [name for name, head in sorted(graph.branches.items()) if head == meant.id]
    if heads:
        name = branch if branch in heads else heads[0]
        return _arrive(moves.switch(store, session, name, turn=turn), meant, "On branch")
    opened = moves.create_branch(store, session, branch_for(meant), meant.id, exact=False, turn=turn)
    return _arrive(opened, meant, "New branch")


def _arrive(branch: Branch, at: Revision, how: str) -> Moved:
    return Moved(branch, f"{how} {branch.name} at {title(at)}.")
