"""Appending revisions: one transaction that inserts the revision, moves the head and ticks off the turn's step.

Compare-and-set on the branch's head: a head that has moved is `HeadMoved`, never a fork and never an overwrite.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, select, union_all, update

from sessions import schema
from sessions.errors import HeadMoved, TurnBusy
from sessions.identity import revision_id
from sessions.rows import REVISION, dumps, insert_new, no_branch, now, revision_of, touch
from sessions.store import Kept, Store
from sessions.values import IDENTITY, Branch, Geometry, Json, MoveKind, Revision, Source, Step

_NEXT_SEQ = (
    update(schema.sessions)
    .where(schema.sessions.c.id == bindparam("session_id"))
    .values(seq=schema.sessions.c.seq + 1)
    .returning(schema.sessions.c.seq)
)
_NAMES_LIKE = union_all(
    *(
        select(table.c.name).where(
            table.c.session == bindparam("session_id"), table.c.name.startswith(bindparam("wanted"))
        )
        for table in (schema.branches, schema.tags)
    )
)
_HEAD = select(schema.branches.c.head).where(
    schema.branches.c.session == bindparam("session_id"), schema.branches.c.name == bindparam("branch")
)
_STANDING = (
    select(schema.branches.c.name)
    .where(schema.branches.c.session == bindparam("session_id"), schema.branches.c.head == bindparam("root"))
    .order_by(schema.branches.c.name)
    .limit(1)
)
_RENAMED = (
    select(schema.moves.c.id, schema.moves.c.branch)
    .where(
        schema.moves.c.session == bindparam("session_id"),
        schema.moves.c.kind == "rename",
        schema.moves.c.old_name == bindparam("branch"),
        schema.moves.c.id > bindparam("after"),
    )
    .order_by(schema.moves.c.id.desc())
    .limit(1)
)
_ADVANCE = (
    update(schema.branches)
    .where(
        schema.branches.c.session == bindparam("session_id"),
        schema.branches.c.name == bindparam("branch"),
        schema.branches.c.head == bindparam("expect"),
    )
    .values(head=bindparam("new_head"), version=schema.branches.c.version + 1)
    .returning(schema.branches.c.version)
)
_PROGRESS = (
    update(schema.turns)
    .where(
        schema.turns.c.session == bindparam("session_id"),
        schema.turns.c.request_id == bindparam("turn_id"),
        schema.turns.c.lease == bindparam("held"),
        schema.turns.c.next_step == bindparam("due"),
    )
    .values(next_step=bindparam("index") + 1, branch=bindparam("branch_name"))
    .returning(schema.turns.c.message)
)
_STAND = (
    update(schema.turns)
    .where(schema.turns.c.session == bindparam("session_id"), schema.turns.c.request_id == bindparam("turn_id"))
    .values(branch=bindparam("branch_name"))
)


COMMAND = -1


@dataclass(frozen=True)
class Claim:
    """Which step of which turn a revision fulfils, and the lease that proves who may say so.

    COMMAND stands for the turn's command, which comes before its steps and leaves them all to be done.
    """

    turn: str
    index: int
    lease: str


@dataclass(frozen=True)
class Draft:
    """A revision before it has an id, a place on a branch and a number."""

    kept: Kept
    parents: tuple[str, ...] = ()
    step: Step | None = None
    geometry: Geometry = IDENTITY
    source: Source = "edit"
    name: str = ""
    claim: Claim | None = None
    turn: str | None = None
    made_with: Json = field(default_factory=dict)
    facts: Json = field(default_factory=dict)

    @property
    def id(self) -> str:
        mask = self.kept.mask.hash if self.kept.mask else None
        return revision_id(self.parents, self.step, self.geometry, self.kept.image.hash, mask)


def append(store: Store, session: str, branch: str, draft: Draft, expect: str) -> Revision:
    """Add a revision on a branch whose head is `expect`; HeadMoved if it is not. Never forks.

    A branch that was renamed while the revision was being made is found under its new name.
    """
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        branch, head = _called_now(connection, session, branch)
        if head not in (None, expect):  # before anything is written: who has lost keeps nobody waiting
            raise _head_moved(branch)
        revision = _insert(connection, store, session, draft)
        advance(connection, (session, branch), expect, revision.id)
        kind: MoveKind = "merge" if len(draft.parents) == 2 else "append"
        record(connection, (session, branch), kind, (expect, revision.id), turn=draft.turn)
        _tick(connection, session, branch, draft, revision.id)
    return revision


def append_on_new_branch(store: Store, session: str, wanted: str, draft: Draft) -> tuple[Revision, str]:
    """Open a branch (`wanted`, or `wanted-2` …) at the draft's first parent, or as a root, and append to it.

    Where a branch stands at that very root already, nothing is added: it is where to go on.
    """
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        revision = _insert(connection, store, session, draft)
        here = {"session_id": session, "root": revision.id}
        standing = None if draft.parents else connection.execute(_STANDING, here).scalar()
        if standing is not None:
            return revision, str(standing)
        branch = open_branch(connection, session, wanted, revision.id)
        place = (session, branch)
        if draft.parents:
            record(connection, place, "branch", (None, draft.parents[0]), turn=draft.turn)
            record(connection, place, "append", (draft.parents[0], revision.id), turn=draft.turn)
        else:
            record(connection, place, "root", (None, revision.id), turn=draft.turn)
        _tick(connection, session, branch, draft, revision.id)
    return revision, branch


def open_branch(connection: Connection, session: str, wanted: str, head: str) -> str:
    """Insert a branch under the first name that no branch and no tag has; the caller holds the session by `touch`."""
    taken = set(connection.execute(_NAMES_LIKE, {"session_id": session, "wanted": wanted}).scalars())
    names = (wanted if i == 1 else f"{wanted}-{i}" for i in range(1, len(taken) + 2))
    name = next(name for name in names if name not in taken)
    connection.execute(schema.branches.insert(), {"session": session, "name": name, "head": head, "version": 1})
    return name


def _called_now(connection: Connection, session: str, branch: str) -> tuple[str, str | None]:
    """The name itself where a branch has it, else the name now of the branch that had it last; and that one's head."""
    name, after = branch, 0
    while (head := connection.execute(_HEAD, {"session_id": session, "branch": name}).scalar()) is None:
        renamed = connection.execute(_RENAMED, {"session_id": session, "branch": name, "after": after}).first()
        if renamed is None:
            return branch, None
        after, name = renamed.id, renamed.branch
    return name, head


def _head_moved(branch: str) -> HeadMoved:
    return HeadMoved(f"The branch {branch!r} has moved on in the meantime.", "Look at the log and try again.")


def advance(connection: Connection, place: tuple[str, str], expect: str, head: str) -> Branch:
    """Compare-and-set of the head of the branch `place` = (session, name), after `touch`; HeadMoved where it lost."""
    session, branch = place
    values = {"session_id": session, "branch": branch, "expect": expect, "new_head": head}
    version = connection.execute(_ADVANCE, values).scalar()
    if version is not None:
        return Branch(session, branch, head, version)
    if connection.execute(_HEAD, {"session_id": session, "branch": branch}).first() is None:
        raise no_branch(branch)
    raise _head_moved(branch)


def record(
    connection: Connection,
    place: tuple[str, str],
    kind: MoveKind,
    heads: tuple[str | None, str],
    turn: str | None = None,
    **more: int | str | None,
) -> None:
    """One row of the reflog: the branch `place` = (session, name) went from heads[0] to heads[1].

    `more`: what a kind of move has besides, `inverts` of a redo and `old_name` of a rename. A turn stands from then on
    on the branch that it has opened or gone to: there it waits for an answer, there it goes on after a crash.
    """
    row = {
        "session": place[0],
        "branch": place[1],
        "kind": kind,
        "before": heads[0],
        "after": heads[1],
        "turn": turn,
        "created_at": now(),
    }
    connection.execute(schema.moves.insert(), row | more)
    if turn is not None and kind in ("root", "branch", "switch"):
        connection.execute(_STAND, {"session_id": place[0], "turn_id": turn, "branch_name": place[1]})


def _insert(connection: Connection, store: Store, session: str, draft: Draft) -> Revision:
    """The draft's row; where the same revision exists already (a replay, a resent upload) that one."""
    store.insert_pixels(connection, session, draft.kept)  # for an old one too: it heals pixels that were lost
    old = connection.execute(REVISION, store.mine(session) | {"id": draft.id}).first()
    if old is not None:
        return revision_of(old)
    seq = connection.execute(_NEXT_SEQ, {"session_id": session}).scalar_one()
    row = _row(session, draft, seq)
    connection.execute(schema.revisions.insert(), row)
    return Revision(
        **{name: row[name] for name in ("id", "session", "image", "mask", "source", "width", "height", "seq", "turn")},
        parents=draft.parents,
        step=draft.step,
        geometry=draft.geometry,
        created_at=row["created_at"],
        name=draft.name,
        made_with=draft.made_with,
        facts=draft.facts,
    )


def _row(session: str, draft: Draft, seq: int) -> dict[str, Any]:
    image, mask = draft.kept.image, draft.kept.mask
    parent, parent2 = (*draft.parents, None, None)[:2]
    return {
        "session": session,
        "id": draft.id,
        "seq": seq,
        "parent": parent,
        "parent2": parent2,
        "step": dumps(draft.step.to_json()) if draft.step else None,
        "image": image.hash,
        "mask": mask.hash if mask else None,
        "geometry": dumps(list(draft.geometry)) if draft.geometry != IDENTITY else None,
        "source": draft.source,
        "width": image.width,
        "height": image.height,
        "turn": draft.turn,
        "name": draft.name,
        "made_with": dumps(draft.made_with),
        "facts": dumps(draft.facts),
        "created_at": now(),
    }


def _tick(connection: Connection, session: str, branch: str, draft: Draft, revision: str) -> None:
    """Tick off the turn's step in the same transaction: each step exactly once, whoever retries."""
    claim = draft.claim
    if claim is None:
        return
    values = {"session_id": session, "turn_id": claim.turn, "held": claim.lease, "index": claim.index}
    values["due"] = max(claim.index, 0)
    message = connection.execute(_PROGRESS, values | {"branch_name": branch}).scalar()
    if message is None:
        raise TurnBusy("Another process is continuing this turn.", "Wait for it, or look at the log.")
    row = {"session": session, "message": message, "position": claim.index, "revision": revision}
    insert_new(connection, schema.message_revisions, [row])
