"""Moving heads without making anything: undo, redo, reset, switch, branch. Every move is a row; nothing is recomputed.

All moves are compare-and-set inside one transaction. What a move leaves behind stays in the tree.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Row,
    ScalarSelect,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.orm import aliased

from sessions import schema
from sessions.commits import advance, open_branch, record
from sessions.errors import NameTaken, NotFound, NothingToUndo
from sessions.rows import BRANCH, OWNED, REVISION, branch_of, no_branch, no_revision, touch
from sessions.store import Store
from sessions.values import Branch, MoveKind

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED = {"original", "head", "prev"}

_r, _m = schema.revisions.c, schema.moves.c
_AT: BindParameter[str] = bindparam("session_id")

_HEAD = (
    select(_r.id, _r.seq, _r.parent, _r.turn)
    .join(schema.branches, (schema.branches.c.session == _r.session) & (schema.branches.c.head == _r.id))
    .where(schema.branches.c.session == bindparam("session"), schema.branches.c.name == bindparam("branch"), OWNED)
)
_same = (
    select(_r.session, _r.seq, _r.parent, _r.turn)
    .where(_r.session == _AT, _r.id == bindparam("head"))
    .cte("same_turn", recursive=True)
)
_older = aliased(schema.revisions)
_same = _same.union_all(
    select(_older.c.session, _older.c.seq, _older.c.parent, _older.c.turn).where(
        _older.c.session == _same.c.session,
        _older.c.id == _same.c.parent,
        _older.c.turn == _same.c.turn,
        _older.c.parent.is_not(None),
    )
)
_TURN_START = select(_same.c.parent).order_by(_same.c.seq).limit(1)
_later = schema.moves.alias()
_redone = aliased(schema.moves)


def _opening(name: ColumnElement[Any], until: ColumnElement[Any]) -> ScalarSelect[Any]:
    """The newest move before `until` that gave a branch this name."""
    o = schema.moves.alias().c
    newest = select(func.coalesce(func.max(o.id), 0)).where(
        o.session == _AT, o.branch == name, o.kind.in_(("root", "branch", "rename")), o.id < until
    )
    return newest.scalar_subquery()


_branch = cast(bindparam("branch"), Text)
_end = literal(2**31 - 1, Integer)
_earlier = schema.moves.alias()
CALLED = select(_branch.label("name"), _opening(_branch, _end).label("since"), _end.label("until")).cte(
    "called", recursive=True
)
CALLED = CALLED.union_all(
    select(_earlier.c.old_name, _opening(_earlier.c.old_name, _earlier.c.id), _earlier.c.id).join(
        CALLED, (_earlier.c.id == CALLED.c.since) & (_earlier.c.kind == "rename")
    )
)
"""The names of the branch `branch` of the session `session_id`, newest first: its moves under each are `since` ≤ id <
`until`. Another branch may have had a name before it, or have taken it since."""


def of_branch(moves: FromClause) -> ColumnElement[bool]:
    """Whether a move belongs to the branch whose names are `CALLED`."""
    c = moves.c
    return (c.branch == CALLED.c.name) & (c.id >= CALLED.c.since) & (c.id < CALLED.c.until) & (c.session == _AT)


_LAST_APPEND = (
    select(func.coalesce(func.max(_later.c.id), 0))
    .join(CALLED, of_branch(_later))
    .where(_later.c.kind.in_(("append", "merge", "root", "repair")))
)
_UNDONE = (
    select(_m.id, _m.before, _m.after)
    .join(CALLED, of_branch(schema.moves))
    .where(
        _m.kind.in_(("undo", "reset")),
        _m.id > _LAST_APPEND.scalar_subquery(),
        ~select(_redone.c.id).where(_redone.c.inverts == _m.id).exists(),
    )
    .order_by(_m.id.desc())
    .limit(1)
)


def undo(store: Store, session: str, branch: str, *, step: bool = False, turn: str | None = None) -> Branch:
    """Head to the parent of the oldest non-root revision of the head's turn; with `step`, one revision back."""
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        head = _head(connection, store, session, branch)
        if head.parent is None:
            raise NothingToUndo("This is the original photo; there is nothing to undo.", "pentimento graph shows all.")
        target: str = head.parent
        if not step:
            target = connection.execute(_TURN_START, {"session_id": session, "head": head.id}).scalar() or target
        return _go(connection, (session, branch), "undo", (head.id, target), turn)


def redo(store: Store, session: str, branch: str, *, turn: str | None = None) -> Branch:
    """Invert the newest undo or reset of this branch that is not yet inverted and that no append has followed."""
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        head = _head(connection, store, session, branch)
        undone = connection.execute(_UNDONE, {"session_id": session, "branch": branch}).first()
        if undone is None:
            raise NothingToUndo("There is nothing to redo on this branch.", "pentimento graph shows all revisions.")
        return _go(connection, (session, branch), "redo", (head.id, undone.before), turn, undone.id)


def undone(store: Store, session: str, branch: str, count: int = 1) -> str:
    """The head that so many undos would leave the branch with, as far as there is something to undo. Moves nothing."""
    with store.database.read() as connection:
        head = _head(connection, store, session, branch).id
        for _ in range(count):
            head = connection.execute(_TURN_START, {"session_id": session, "head": head}).scalar() or head
    return str(head)


def redone(store: Store, session: str, branch: str, count: int = 1) -> str:
    """The head that so many redos would leave the branch with, as far as there is something to redo. Moves nothing."""
    with store.database.read() as connection:
        head = _head(connection, store, session, branch).id
        newest = connection.execute(_UNDONE.limit(count), {"session_id": session, "branch": branch}).all()
    return str(newest[-1].before if newest else head)


def reset(store: Store, session: str, branch: str, *, turn: str | None = None) -> Branch:
    """Head to the root of its first-parent line."""
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        head = _head(connection, store, session, branch)
        root = _root(connection, session, head.id)
        if root == head.id:
            raise NothingToUndo("This is the original photo already.", "pentimento graph shows all revisions.")
        return _go(connection, (session, branch), "reset", (head.id, root), turn)


def switch(store: Store, session: str, branch: str, *, turn: str | None = None) -> Branch:
    """Make a branch the session's current one, by a row of the reflog."""
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        row = connection.execute(BRANCH, store.mine(session) | {"branch": branch}).first()
        if row is None:
            raise no_branch(branch)
        record(connection, (session, branch), "switch", (row.head, row.head), turn=turn)
        return branch_of(row)


def create_branch(
    store: Store, session: str, name: str, at: str, *, exact: bool = True, turn: str | None = None
) -> Branch:
    """A new branch at a revision, which becomes the current one. `exact`: a taken name is NameTaken, else `name-2`."""
    check_name(name)
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        if connection.execute(REVISION, store.mine(session) | {"id": at}).first() is None:
            raise no_revision()
        if exact:
            must_be_free(connection, session, name)
        opened = open_branch(connection, session, name, at)
        record(connection, (session, opened), "branch", (None, at), turn=turn)
        return Branch(session, opened, at, 1)


def made_by(store: Store, session: str, turn: str) -> int:
    """How many moves a turn has made: a resent command goes on after them."""
    statement = select(func.count()).where(_m.session == session, _m.turn == turn, OWNED)
    with store.database.read() as connection:
        return connection.execute(statement, store.mine(session)).scalar_one()


def undone_statement() -> Select[Any]:
    """The newest undo or reset of a branch that redo would invert; parameters `session_id`, `branch`."""
    return _UNDONE


def branch(store: Store, session: str, name: str) -> Branch:
    """One branch by name."""
    with store.database.read() as connection:
        row = connection.execute(BRANCH, store.mine(session) | {"branch": name}).first()
    if row is None:
        raise no_branch(name)
    return branch_of(row)


def must_be_free(connection: Connection, session: str, name: str) -> None:
    """Raise NameTaken where a branch or a tag has this name: they share their names, so that each means one thing."""
    for what, table in (("branch", schema.branches), ("tag", schema.tags)):
        taken = select(table.c.name).where(table.c.session == session, table.c.name == name)
        if connection.execute(taken).first() is not None:
            raise NameTaken(f"There is a {what} called {name!r} already.", "Choose another name.")


def check_name(name: str) -> str:
    """Of branches and tags: a letter or digit, then letters, digits, `.`, `_`, `-`; not a word that means something."""
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED or set(name) <= set("0123456789"):
        raise NameTaken(
            f"{name!r} cannot be a name here.", "Use letters, digits, dots and dashes, such as warm-version."
        )
    return name


def branch_name(words: str, fallback: str = "try") -> str:
    """A legal branch name made of free words or a file name: `My Dog.jpg` → `my-dog`."""
    stem = re.sub(r"\.[A-Za-z0-9]{2,5}$", "", words)
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-")
    return name if name and name not in _RESERVED and not name.isdigit() else fallback


def _head(connection: Connection, store: Store, session: str, branch: str) -> Row[Any, Any, Any, Any]:
    head = connection.execute(_HEAD, store.mine(session) | {"branch": branch}).first()
    if head is None:
        raise no_branch(branch)
    return head


def _root(connection: Connection, session: str, revision: str) -> str:
    line = select(_r.id, _r.parent).where(_r.session == session, _r.id == revision).cte("line", recursive=True)
    older = aliased(schema.revisions)
    line = line.union_all(
        select(older.c.id, older.c.parent).where(older.c.session == session, older.c.id == line.c.parent)
    )
    root = connection.execute(select(line.c.id).where(line.c.parent.is_(None))).scalar()
    if root is None:
        raise NotFound("This line of history has no beginning.", "Run: python -m sessions fsck")
    return str(root)


def _go(
    connection: Connection,
    place: tuple[str, str],
    kind: MoveKind,
    heads: tuple[str, str],
    turn: str | None,
    inverts: int | None = None,
) -> Branch:
    moved = advance(connection, place, *heads)
    record(connection, place, kind, heads, turn, inverts=inverts)
    return moved
