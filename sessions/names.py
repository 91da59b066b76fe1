"""The names people give: tags on revisions, other names for branches and sessions.

Branches and tags share their names, so that a word means one revision. A name says where to look and takes no part in
what is there: no id and no pixel depends on it. Opening branches is `moves`' work, finding what they name `history`'s.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from sessions import schema
from sessions.commits import record
from sessions.errors import NameTaken
from sessions.history import newest_branch
from sessions.limits import NAME_CHARACTERS
from sessions.moves import check_name, must_be_free
from sessions.rows import BRANCH, OWNED, REVISION, no_branch, no_revision, no_tag, now, session_of, tag_of, touch
from sessions.store import Store
from sessions.turns import OPEN_STATES
from sessions.values import Branch, Session, Tag
from sessions.words import clean_name


def tag(store: Store, session: str, name: str, revision: str, *, move: bool = False) -> Tag:
    """Put a name on a revision (its full id); NameTaken where another one has it, unless `move`, or a branch has it."""
    check_name(name)
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        if connection.execute(REVISION, store.mine(session) | {"id": revision}).first() is None:
            raise no_revision()
        old = _tag(connection, session, name)
        if old is not None and old.revision == revision:
            return old
        if old is not None and not move:
            raise NameTaken(f"{name!r} is the name of another revision.", "Add --move to take it from there.")
        if old is not None:
            _drop(connection, session, name)
        must_be_free(connection, session, name)
        made = Tag(session, name, revision, now())
        connection.execute(schema.tags.insert(), vars(made))
    return made


def untag(store: Store, session: str, name: str) -> Tag:
    """Take a name off; what it was on is returned. The revision itself stays."""
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        old = _tag(connection, session, name)
        if old is None:
            raise no_tag(name)
        _drop(connection, session, name)
    return old


def rename_branch(store: Store, session: str, old: str, new: str, turn: str | None = None) -> Branch:
    """Call a branch by another name; NotFound or NameTaken. The current branch stays the current one.

    Rows of the reflog are never changed: the ones before keep the old name, and one row of kind `rename` says that the
    branch has the new one from here on, which `moves.CALLED` follows back. So undo and redo work across it, the old
    name is free again, and the moves of whoever takes it next are told apart. Where a branch that is not the current
    one is renamed, a `switch` follows in the same transaction: the branch of the newest row is the current one still.
    Open turns follow: their rows are given the new name, and a step that is being made finds it (`commits.append`).
    """
    check_name(new)
    b = schema.branches.c
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        if connection.execute(BRANCH, store.mine(session) | {"branch": old}).first() is None:
            raise no_branch(old)
        must_be_free(connection, session, new)
        current = newest_branch(connection, store, session)
        moved = update(schema.branches).where(b.session == session, b.name == old).returning(b.head, b.version)
        row = connection.execute(moved.values(name=new, version=b.version + 1)).one()
        record(connection, (session, new), "rename", (row.head, row.head), turn=turn, old_name=old)
        if current is not None and current != old:
            here = connection.execute(select(b.head).where(b.session == session, b.name == current)).scalar_one()
            record(connection, (session, current), "switch", (here, here))
        _turns_follow(connection, session, old, new)
    return Branch(session, new, row.head, row.version)


def rename_session(store: Store, session: str, name: str) -> Session:
    """Call a session by another name, 1 … 200 printable characters; NameTaken for what cannot be one."""
    name = name.strip()
    if name == "" or name != clean_name(name):
        raise NameTaken("That cannot be a session's name.", f"Use up to {NAME_CHARACTERS} letters that can be shown.")
    s = schema.sessions
    with store.database.write() as connection:
        touch(connection, session, store.owner)
        connection.execute(update(s).where(s.c.id == session).values(name=name))
        own = select(s).where(s.c.id == session, OWNED)
        return session_of(connection.execute(own, store.mine(session)).one())


def _tag(connection: Connection, session: str, name: str) -> Tag | None:
    t = schema.tags
    row = connection.execute(select(t).where(t.c.session == session, t.c.name == name)).first()
    return tag_of(row) if row is not None else None


def _drop(connection: Connection, session: str, name: str) -> None:
    t = schema.tags
    connection.execute(delete(t).where(t.c.session == session, t.c.name == name))


def _turns_follow(connection: Connection, session: str, old: str, new: str) -> None:
    t = schema.turns.c
    open_ones = update(schema.turns).where(t.session == session, t.branch == old, t.state.in_(OPEN_STATES))
    connection.execute(open_ones.values(branch=new))
