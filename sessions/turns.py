"""Turns and messages: the durable unit of work, from its plan to its outcome, seen and cancelled from any process.

A request_id is unique in its session: sending it again finds the stored turn, which goes on at its first step without a
revision. Who runs a turn holds its lease and beats; a lease that has not beaten for a while may be taken over.
"""

from __future__ import annotations

import time
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, exists, or_, select, update

from sessions import schema
from sessions.database import Database
from sessions.errors import NotFound, TurnBusy
from sessions.identity import new_id
from sessions.rows import OWNED, dumps, insert_new, message_of, now, touch, turn_of
from sessions.store import Store
from sessions.values import Json, Message, Turn, TurnState

LEASE_SECONDS = 20.0
"""A runner that has not beaten for so long is taken for dead."""

OPEN_STATES = ("planned", "waiting", "running")

QUEUED = "queued"
"""In the outcome of an open turn: since when it has been left to the engine."""

_t = schema.turns.c
_TURN = select(schema.turns).where(_t.session == bindparam("session"), _t.request_id == bindparam("request_id"), OWNED)
_MINE = (_t.session == bindparam("session_id"), _t.request_id == bindparam("turn_id"))
_TAKE = (
    update(schema.turns)
    .where(
        *_MINE,
        _t.state.in_(("planned", "running")),
        or_(
            _t.lease.is_(None),
            _t.lease.in_((bindparam("holder"), bindparam("dead"))),
            _t.heartbeat < bindparam("stale"),
        ),
    )
    .values(state="running", lease=bindparam("holder"), heartbeat=bindparam("beat"))
)
_OWNER = exists().where(schema.sessions.c.id == _t.session, schema.sessions.c.owner == bindparam("owner_name"))
_BEAT = update(schema.turns).where(*_MINE, _t.lease == bindparam("holder"), _OWNER).values(heartbeat=bindparam("beat"))
_HELD = update(schema.turns).where(*_MINE, _t.state.in_(OPEN_STATES), _t.lease.is_not_distinct_from(bindparam("held")))
"""An open turn as its caller knows it: by the holder that the caller is, or held by nobody where the caller is none."""
_QUEUED = _t.outcome.contains(f'"{QUEUED}"')
_FINISH = _HELD.values(state=bindparam("new_state"), outcome=bindparam("result"), lease=None).returning(_t.branch)
_WAIT = _HELD.values(plan=bindparam("asking"), state="waiting", lease=None).returning(_t.branch)


def find(store: Store, session: str, request_id: str) -> Turn | None:
    """The turn of a request, if it was ever begun."""
    with store.database.read() as connection:
        row = connection.execute(_TURN, store.mine(session) | {"request_id": request_id}).first()
    return turn_of(row) if row is not None else None


def get(store: Store, session: str, request_id: str) -> Turn:
    """The turn of a request; NotFound if there is none."""
    turn = find(store, session, request_id)
    if turn is None:
        raise NotFound("There is no such turn in this session.")
    return turn


def begin(store: Store, turn: Turn, text: str, attachments: tuple[str, ...] = ()) -> Turn:
    """Store a planned turn together with the message that asked for it; one that exists is returned as it is.

    `turn.message` is ignored on the way in: the message gets its id here.
    """
    with store.database.write() as connection:
        touch(connection, turn.session, store.owner)
        old = connection.execute(_TURN, store.mine(turn.session) | {"request_id": turn.request_id}).first()
        if old is not None:
            return turn_of(old)
        message = _say(connection, (turn.session, turn.branch), "user", text, attachments)
        row = {
            "session": turn.session,
            "request_id": turn.request_id,
            "message": message,
            "branch": turn.branch,
            "planned_head": turn.planned_head,
            "plan": dumps(turn.plan),
            "state": turn.state,
            "next_step": turn.next_step,
            "cancel": False,
            "lease": None,
            "heartbeat": None,
            "outcome": dumps(turn.outcome),
            "created_at": now(),
        }
        connection.execute(schema.turns.insert(), row)
    return get(store, turn.session, turn.request_id)


def take(store: Store, session: str, request_id: str, holder: str, dead: str = "") -> Turn:
    """Take the lease of a planned turn, or of a running one whose holder no longer beats; TurnBusy otherwise.

    `dead`: a holder known to be gone, so that nobody waits for its lease to run out.
    """
    clock = {"beat": time.time(), "stale": time.time() - LEASE_SECONDS}
    values = _key(session, request_id) | clock | {"holder": holder, "dead": dead}
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        taken = connection.execute(_TAKE, values).rowcount
    turn = get(store, session, request_id)
    if not taken:
        raise TurnBusy(f"This turn is {turn.state}.", "Wait for it, or look at the log.")
    return turn


def enqueue(store: Store, turn: Turn) -> Turn:
    """Leave a planned turn to the engine of the data folder; one that is there already, or over, stays as it is."""
    queued = update(schema.turns).where(*_MINE, _t.state == "planned", ~_QUEUED)
    with store.database.write() as connection:
        touch(connection, turn.session, store.owner)
        connection.execute(queued.values(outcome=dumps({QUEUED: now()})), _key(turn.session, turn.request_id))
    return get(store, turn.session, turn.request_id)


def queue(database: Database) -> list[tuple[str, Turn]]:
    """What is left to the engine of the data folder, of every owner, whose name comes first; oldest first."""
    statement = (
        select(schema.turns, schema.sessions.c.owner.label("whose"))
        .join(schema.sessions, schema.sessions.c.id == _t.session)
        .where(_t.state.in_(("planned", "running")), _QUEUED)
        .order_by(_t.created_at, _t.request_id)
    )
    with database.read() as connection:
        return [(row.whose, turn_of(row)) for row in connection.execute(statement)]


def before(database: Database, turn: Turn) -> int:
    """How many turns, of every owner, the engine runs already or was left before this one."""
    others = (other for _, other in queue(database) if other.message != turn.message)
    return sum(one.state == "running" or one.created_at < turn.created_at for one in others)


def in_queue(turn: Turn) -> bool:
    """Whether the engine has a turn before it, or runs it."""
    return turn.state in ("planned", "running") and QUEUED in turn.outcome


def lost(store: Store, turn: Turn) -> int:
    """Note that an engine died while it ran a turn; how many have died under the step that is next."""
    step, times = turn.outcome.get("lost", (turn.next_step, 0))
    times = times + 1 if step == turn.next_step else 1
    noted = _HELD.values(outcome=bindparam("result"))
    values = {"held": turn.lease, "result": dumps(turn.outcome | {"lost": [turn.next_step, times]})}
    with store.database.write() as connection:
        touch(connection, turn.session, store.owner)
        connection.execute(noted, _key(turn.session, turn.request_id) | values)
    return times


def beat(store: Store, session: str, request_id: str, holder: str) -> bool:
    """Say that the holder lives. True: go on. False: the turn was cancelled, or the lease is lost: stop."""
    values = _key(session, request_id) | {"holder": holder, "beat": time.time(), "owner_name": store.owner}
    with store.database.write() as connection:
        held = connection.execute(_BEAT, values).rowcount == 1
    return held and not cancel_asked(store, session, request_id)


def cancel_asked(store: Store, session: str, request_id: str) -> bool:
    """The cancel flag of a turn; cheap enough to be read at every yield."""
    with store.database.read() as connection:
        statement = select(_t.cancel).where(*_MINE, _OWNER)
        return bool(connection.execute(statement, _key(session, request_id) | {"owner_name": store.owner}).scalar())


def cancel(store: Store, session: str, request_id: str) -> Turn:
    """Ask a running turn to stop; end a planned or waiting one at once. A finished turn stays as it is."""
    key = _key(session, request_id)
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        connection.execute(update(schema.turns).where(*_MINE, _t.state == "running").values(cancel=True), key)
        idle = update(schema.turns).where(*_MINE, _t.state.in_(("planned", "waiting")))
        connection.execute(idle.values(state="cancelled", cancel=True), key)
    return get(store, session, request_id)


def finish(store: Store, turn: Turn, state: TurnState, outcome: Json, reply: str) -> Turn:
    """Close a turn and say the reply. Closed turns stay closed, and so does what another holder runs go on.

    `turn` says who the caller is: with a lease, its holder; without one, somebody who closes what nobody runs.
    """
    values = _key(turn.session, turn.request_id) | {"held": turn.lease, "new_state": state, "result": dumps(outcome)}
    with store.database.write() as connection:
        touch(connection, turn.session, store.owner)
        branch = connection.execute(_FINISH, values).scalar()
        if branch is not None and reply:
            _say(connection, (turn.session, branch), "assistant", reply, ())
    return get(store, turn.session, turn.request_id)


def wait(store: Store, turn: Turn, plan: Json, reply: str) -> Turn:
    """Let a turn wait for an answer, on the branch it stands on: its plan now carries the question; its lease is free.

    TurnBusy where it is no longer the caller's to ask, who is told by `turn` as in `finish`.
    """
    values = _key(turn.session, turn.request_id) | {"held": turn.lease, "asking": dumps(plan)}
    with store.database.write() as connection:
        touch(connection, turn.session, store.owner)
        branch = connection.execute(_WAIT, values).scalar()
        if branch is not None:
            _say(connection, (turn.session, branch), "assistant", reply, ())
    found = get(store, turn.session, turn.request_id)
    if branch is None:
        raise TurnBusy(f"This turn is {found.state}.", "Wait for it, or look at the log.")
    return found


def resume(store: Store, turn: Turn, plan: Json) -> Turn:
    """Give a waiting turn the plan with its answer filled in, ready to be taken."""
    return _replan(store, turn, plan, "waiting", "That question has been answered already.")


def amend(store: Store, turn: Turn, plan: Json) -> Turn:
    """Give a turn that nobody has begun to run the plan as the person has changed it; TurnBusy if it is too late."""
    return _replan(store, turn, plan, "planned", "This plan has begun to run already.")


def _replan(store: Store, turn: Turn, plan: Json, state: TurnState, late: str) -> Turn:
    filled = update(schema.turns).where(*_MINE, _t.state == state).values(plan=dumps(plan), state="planned")
    with store.database.write() as connection:
        touch(connection, turn.session, store.owner)
        changed = connection.execute(filled, _key(turn.session, turn.request_id)).rowcount
    if not changed:
        raise TurnBusy(late)
    return get(store, turn.session, turn.request_id)


def open_turns(store: Store, session: str, branch: str | None = None) -> list[Turn]:
    """Planned, waiting and running turns, newest first."""
    statement = select(schema.turns).where(_t.session == session, _t.state.in_(OPEN_STATES), OWNED)
    if branch is not None:
        statement = statement.where(_t.branch == branch)
    with store.database.read() as connection:
        rows = connection.execute(statement.order_by(_t.created_at.desc()), store.mine(session)).all()
    return [turn_of(row) for row in rows]


def recent(store: Store, session: str, limit: int = 50) -> list[Turn]:
    """The newest turns of a session, oldest first."""
    statement = select(schema.turns).where(_t.session == session, OWNED).order_by(_t.created_at.desc()).limit(limit)
    with store.database.read() as connection:
        rows = connection.execute(statement, store.mine(session)).all()
    return [turn_of(row) for row in rows[::-1]]


def revisions(store: Store, turn: Turn) -> list[str]:
    """The revisions a turn has made so far, in order of its steps."""
    link = schema.message_revisions
    statement = select(link.c.revision).where(link.c.session == turn.session, link.c.message == turn.message, OWNED)
    with store.database.read() as connection:
        return list(connection.execute(statement.order_by(link.c.position), store.mine(turn.session)).scalars())


def say(store: Store, session: str, branch: str, text: str) -> None:
    """A sentence of the assistant outside any turn."""
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        _say(connection, (session, branch), "assistant", text, ())


def said(store: Store, turn: Turn) -> Message:
    """The message that asked for a turn, however long ago."""
    m = schema.messages
    statement = select(m).where(m.c.session == turn.session, m.c.id == turn.message, OWNED)
    with store.database.read() as connection:
        row = connection.execute(statement, store.mine(turn.session)).first()
    if row is None:
        raise NotFound("There is no such message in this session.")
    return message_of(row, tuple(revisions(store, turn)))


def messages(store: Store, session: str, limit: int = 50) -> list[Message]:
    """The newest messages, oldest first, each with the revisions that came of it."""
    m, link = schema.messages, schema.message_revisions
    newest = select(m).where(m.c.session == session, OWNED).order_by(m.c.created_at.desc()).limit(limit)
    with store.database.read() as connection:
        rows = connection.execute(newest, store.mine(session)).all()[::-1]
        linked = select(link).where(link.c.session == session, link.c.message.in_([row.id for row in rows]))
        made: dict[str, list[str]] = {}
        for row in connection.execute(linked.order_by(link.c.message, link.c.position)):
            made.setdefault(row.message, []).append(row.revision)
    return [message_of(row, tuple(made.get(row.id, ()))) for row in rows]


def _key(session: str, request_id: str) -> dict[str, Any]:
    return {"session_id": session, "turn_id": request_id}


def _say(
    connection: Connection,
    place: tuple[str, str],
    role: Literal["user", "assistant"],
    text: str,
    attachments: tuple[str, ...],
) -> str:
    row = {
        "session": place[0],
        "id": new_id(),
        "branch": place[1],
        "role": role,
        "text": text,
        "attachments": dumps(list(attachments)),
        "created_at": now(),
    }
    insert_new(connection, schema.messages, [row])
    return str(row["id"])
