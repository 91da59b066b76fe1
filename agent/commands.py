"""Session commands: carrying them out, once, with a sentence.

Most only move heads (`sessions.moves`); a merge and a comparison are worked out in `merging` and `comparing`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from agent import comparing, merging
from agent.events import Asked, Committed, Compared, Event, Exported, Moved
from agent.merging import Conflict, Take
from agent.plan import Ask, Candidate, Command, Plan
from agent.telling import branch_for, title
from sessions import history, moves, names
from sessions.commits import COMMAND, Claim
from sessions.errors import NothingToUndo, PlanError
from sessions.history import Graph, resolve
from sessions.store import Store
from sessions.values import Branch, MoveKind, Picture, Revision
from tools.pixels import shrink

THUMBNAIL = 256
"""Longest side of the small pictures that a question shows."""


def run(
    store: Store, session: str, branch: str, command: Command, turn: str, holder: str | None = None
) -> Generator[Event, None, None]:
    """Carry a command out: Moved, Compared or Committed, and Asked where only the person can say how to go on.

    Each move is one row that names the turn, so that a resent turn goes on after them. `holder`: who holds the lease
    of the turn, if there is one.
    """
    done = moves.made_by(store, session, turn)
    if command.name in ("undo", "redo"):
        for number in range(done, command.count):
            yield _back_or_forth(store, session, branch, command.name, number, turn)
    elif command.name in _LOOKING:
        yield _LOOKING[command.name](store, session, branch, command)
    elif command.name == "merge":
        claim = Claim(turn, COMMAND, holder) if holder else None
        yield from _merge(store, session, branch, command, claim) if done == 0 else _merged(store, session, turn)
    elif done == 0:
        yield once(store, session, branch, command, turn)


def after(store: Store, session: str, branch: str, plan: Plan, turn: str) -> Generator[Event, None, None]:
    """Carry out what follows the steps of a plan. A move is made once, also where the turn is sent again."""
    then = plan.then
    if then is None:
        return
    if then.name in _LOOKING:
        yield _LOOKING[then.name](store, session, branch, then)
    elif not _followed(plan, [move.kind for move in history.moves(store, session, turn=turn)]):
        yield once(store, session, branch, then, turn)


def _followed(plan: Plan, kinds: list[MoveKind]) -> bool:
    """Whether a turn's moves, newest first, end in the one that its plan's `then` is."""
    first = plan.command
    own = first is not None and first.name in ("switch", "branch", "rename") and not _resets(first)
    since = kinds[: kinds.index("append")] if "append" in kinds else kinds[: len(kinds) - own]
    return plan.then is not None and plan.then.name in since


def reached(store: Store, graph: Graph, branch: str, command: Command) -> str | None:
    """The revision that a command will leave the branch at, or that it goes to; moves nothing."""
    head = graph.branches.get(branch)
    if head is None:
        return None
    if command.name in ("undo", "redo"):
        reach = moves.undone if command.name == "undo" else moves.redone
        return reach(store, graph.session.id, branch, command.count)
    if _resets(command):
        return list(graph.line(head))[-1].id
    if command.name == "switch" and command.target is not None:
        return resolve(graph, command.target, branch).id
    return head


def _back_or_forth(store: Store, session: str, branch: str, name: str, number: int, turn: str) -> Moved:
    try:
        moved = (moves.undo if name == "undo" else moves.redo)(store, session, branch, turn=turn)
    except NothingToUndo:
        if number == 0:
            raise
        moved = moves.branch(store, session, branch)
    here = store.revision(session, moved.head)
    return Moved(moved, f"{'Undone' if name == 'undo' else 'Redone'}: {moved.name} is at {title(here)}.")


def once(store: Store, session: str, branch: str, command: Command, turn: str | None) -> Moved:
    """Carry out a command that is one move."""
    if _resets(command):
        return _reset(store, session, branch, turn)
    if command.name == "branch":
        return _new_branch(store, session, branch, command, turn)
    if command.name == "switch" and command.target is not None:
        return _switch(store, session, branch, command.target, turn)
    if command.name == "rename" and command.other is not None:
        renamed = names.rename_branch(store, session, command.target or branch, command.other, turn=turn)
        return Moved(renamed, f"{command.target or branch} is called {renamed.name} now.")
    raise PlanError(f"I cannot {command.name} in words yet.", "pentimento --help lists what there is.")


def _resets(command: Command) -> bool:
    return command.name == "reset" or (command.name == "switch" and command.target == "original")


def _reset(store: Store, session: str, branch: str, turn: str | None) -> Moved:
    try:
        moved = moves.reset(store, session, branch, turn=turn)
    except NothingToUndo as already:
        return Moved(moves.branch(store, session, branch), already.message)
    return Moved(moved, f"Back to the original: {title(store.revision(session, moved.head))}.")


def _new_branch(store: Store, session: str, branch: str, command: Command, turn: str | None) -> Moved:
    here = moves.branch(store, session, branch)
    name = moves.branch_name(command.target or "", "branch")
    opened = moves.create_branch(store, session, name, here.head, exact=command.target is not None, turn=turn)
    return Moved(opened, f"New branch {opened.name} at {title(store.revision(session, opened.head))}.")


def _switch(store: Store, session: str, branch: str, target: str, turn: str | None) -> Moved:
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


def _compare(store: Store, session: str, branch: str, command: Command) -> Compared:
    """The revision named with the head, or two that are named."""
    graph = history.graph(store, session)
    one, other = (resolve(graph, name or "head", branch) for name in (command.target, command.other))
    comparison = comparing.compare(store, graph, one, other)
    return Compared(comparison, comparison.sentence)


def _export(store: Store, session: str, branch: str, command: Command) -> Exported:
    """The revision named, or the head; the file itself is the face's to make and to put somewhere."""
    meant = resolve(history.graph(store, session), command.target or "head", branch)
    if command.options.get("original"):
        return Exported(meant, command.options, "Here is the photo as it was sent.")
    kind = str(command.options.get("format", "jpeg")).upper()
    return Exported(meant, command.options, f"Here is {title(meant)} as a {kind} file.")


_LOOKING: dict[str, Callable[[Store, str, str, Command], Compared | Exported]] = {
    "compare": _compare,
    "export": _export,
}
"""Commands that move nothing, and may be carried out as often as one likes."""


# --- merge ------------------------------------------------------------------------------------------------------------

_LABELS: dict[merging.Choice, str] = {"ours": "ours", "theirs": "theirs", "both": "both in order"}


def _merge(store: Store, session: str, branch: str, command: Command, claim: Claim | None) -> Iterator[Event]:
    """Theirs onto the branch (or onto the one named `other`): one revision, or a question."""
    graph, into = history.graph(store, session), command.other or branch
    ours, theirs = _sides(graph, command, into)
    name = command.target if command.target in graph.branches else f"#{theirs.seq}"
    merged = yield from merging.merge(store, graph, ours, theirs, taken(command))
    if isinstance(merged, Conflict):
        yield _asked(merged)
    elif merged is None:
        yield Moved(moves.branch(store, session, into), f"{into} has everything of {name} already.")
    else:
        revision = merging.commit(store, into, merged, str(name), claim)
        yield Committed(revision, into)
        yield from _told(store, revision, into)


def _sides(graph: Graph, command: Command, into: str) -> tuple[Revision, Revision]:
    """The head that a merge goes onto, and the revision that comes."""
    if command.target is None:
        raise PlanError("Merge what?", "Name a branch or a version.")
    if into not in graph.branches:
        raise PlanError(f"{into!r} is no branch.", "A merge goes onto a branch; pentimento branch lists them.")
    return graph.by_id[graph.branches[into]], resolve(graph, command.target, into)


def taken(command: Command) -> Take:
    """What was chosen about a merge's conflicts, checked."""
    take = command.options.get("take", {})
    if not isinstance(take, dict) or any(choice not in _LABELS for choice in take.values()):
        raise PlanError("A conflict is settled by ours, theirs or both.")
    return take


def _asked(conflict: Conflict) -> Asked:
    candidates = tuple(Candidate(label=_LABELS[choice], value=choice, shown=True) for choice in conflict.shown)
    slot = f"command.options.take.{conflict.step.id}"
    ask = Ask(question=f"{conflict.why} What shall I keep?", candidates=candidates, slot=slot)
    return Asked(ask, {at: Picture(shrink(p.pixels, THUMBNAIL)) for at, p in enumerate(conflict.shown.values())})


def pictures(store: Store, session: str, branch: str, command: Command) -> dict[int, Picture]:
    """What the question of a merge shows, worked out again; nothing is committed."""
    graph = history.graph(store, session)
    way = merging.merge(store, graph, *_sides(graph, command, command.other or branch), taken(command))
    try:
        while True:
            next(way)
    except StopIteration as end:
        return _asked(end.value).pictures if isinstance(end.value, Conflict) else {}


def _merged(store: Store, session: str, turn: str) -> Iterator[Event]:
    """A merge that was made before the turn was cut short, told again."""
    graph = history.graph(store, session)
    made = next((one for one in graph.revisions if one.turn == turn and one.source == "merge"), None)
    standing = sorted(name for name, head in graph.branches.items() if made is not None and head == made.id)
    if made is not None and standing:
        yield from _told(store, made, standing[0])


def _told(store: Store, revision: Revision, branch: str) -> Iterator[Event]:
    """What a merge came to: `Merge sepia: 2 steps as they were, 1 step done again. main is at #7.`"""
    said = {
        "composited": "as they were",
        "replayed": "done again",
        "already": "there already",
        "left_out": "left out",
    }
    counts = {words: len(revision.facts.get(name, ())) for name, words in said.items()}
    parts = ", ".join(f"{n} step{'' if n == 1 else 's'} {words}" for words, n in counts.items() if n)
    sentence = f"{revision.name[:1].upper()}{revision.name[1:]}: {parts or 'no steps'}. {branch} is at #{revision.seq}."
    yield Moved(moves.branch(store, revision.session, branch), sentence)
