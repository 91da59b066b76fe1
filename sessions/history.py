"""Reading history: the graph, the log, the current branch, and what a person means by `#7`, `sepia` or `head~2`.

Reads only. Words such as "the black and white one" are the planner's to understand, not ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.orm import aliased

from sessions import schema
from sessions.errors import Ambiguous, NotFound
from sessions.identity import REVISION_PREFIX
from sessions.moves import undone_statement
from sessions.rows import (
    OWNED,
    branch_of,
    move_of,
    no_revision,
    no_session,
    revision_of,
    revisions_of,
    session_of,
    tag_of,
)
from sessions.store import Store
from sessions.values import Branch, Move, Revision, Session, Tag

_r = schema.revisions.c
_PAGE = (
    select(schema.revisions)
    .where(_r.session == bindparam("session"), _r.seq < bindparam("before"), OWNED)
    .order_by(_r.seq.desc())
    .limit(bindparam("count"))
)
_ALL = select(schema.revisions).where(_r.session == bindparam("session"), OWNED).order_by(_r.seq)
_BRANCHES = (
    select(schema.branches)
    .where(schema.branches.c.session == bindparam("session"), OWNED)
    .order_by(schema.branches.c.name)
)
_TAGS = select(schema.tags).where(schema.tags.c.session == bindparam("session"), OWNED).order_by(schema.tags.c.name)
_NO_PHOTOS = select(schema.assets.c.name, schema.assets.c.sha256, schema.assets.c.kind).where(
    schema.assets.c.session == bindparam("session"), schema.assets.c.kind.in_(("subject", "audio")), OWNED
)
_NEWEST_MOVE = (
    select(schema.moves.c.branch)
    .where(schema.moves.c.session == bindparam("session"), OWNED)
    .order_by(schema.moves.c.id.desc())
    .limit(1)
)
_UNDONE = undone_statement().where(OWNED)
_WORDS = (
    select(schema.message_revisions.c.revision, schema.messages.c.text)
    .join(
        schema.messages,
        (schema.messages.c.session == schema.message_revisions.c.session)
        & (schema.messages.c.id == schema.message_revisions.c.message),
    )
    .where(schema.message_revisions.c.session == bindparam("session"), OWNED)
)


@dataclass(frozen=True)
class Graph:
    """A session's whole history as one consistent reading. `current` is None in an empty session.

    `revisions` are in order of commit, undone lines included; `branches`: name → head; `words`: revision → message;
    `tags`: name → revision; `learnt`: name of a learnt subject → asset; `sounds`: asset of a sound → its name.
    """

    session: Session
    revisions: tuple[Revision, ...]
    branches: Mapping[str, str]
    current: str | None
    words: Mapping[str, str]
    undone: str | None
    tags: Mapping[str, str] = field(default_factory=dict)
    learnt: Mapping[str, str] = field(default_factory=dict)
    sounds: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> Mapping[str, Revision]:
        return {revision.id: revision for revision in self.revisions}

    @property
    def head(self) -> Revision | None:
        """The head of the current branch."""
        return self.by_id[self.branches[self.current]] if self.current else None

    def line(self, revision: str) -> Iterator[Revision]:
        """A revision and its first parents, back to the root."""
        here: str | None = revision
        while here is not None:
            at = self.by_id[here]
            yield at
            here = at.parents[0] if at.parents else None

    @cached_property
    def live(self) -> frozenset[str]:
        """Revisions that some branch's head can reach; the others are undone lines."""
        seen: set[str] = set()
        todo = list(self.branches.values())
        while todo:
            here = todo.pop()
            if here not in seen:
                seen.add(here)
                todo.extend(self.by_id[here].parents)
        return frozenset(seen)


def graph(store: Store, session: str) -> Graph:
    """Everything a planner or a tree view needs, in one read transaction."""
    mine = store.mine(session)
    own = select(schema.sessions).where(schema.sessions.c.id == bindparam("session"), OWNED)
    with store.database.read() as connection:
        row = connection.execute(own, mine).first()
        if row is None:
            raise no_session()
        branches = {b.name: b.head for b in connection.execute(_BRANCHES, mine)}
        tags = {t.name: t.revision for t in connection.execute(_TAGS, mine)}
        others = connection.execute(_NO_PHOTOS, mine).fetchall()
        current = connection.execute(_NEWEST_MOVE, mine).scalar()
        revisions = revisions_of(connection.execute(_ALL, mine).fetchall())
        words = {w.revision: w.text for w in connection.execute(_WORDS, mine)}
        undone = connection.execute(undone_statement(), {"session_id": session, "branch": current}).first()
    before = undone.before if undone else None
    learnt = {row.name: row.sha256 for row in others if row.kind == "subject"}
    sounds = {row.sha256: row.name for row in others if row.kind == "audio"}
    return Graph(session_of(row), revisions, branches, current, words, before, tags, learnt, sounds)


def current_branch(store: Store, session: str) -> str:
    """The branch of the newest move; NotFound in a session without pictures."""
    with store.database.read() as connection:
        name = newest_branch(connection, store, session)
    if name is None:
        raise NotFound("This session has no picture yet.", "pentimento new PHOTO starts one.")
    return name


def newest_branch(connection: Connection, store: Store, session: str) -> str | None:
    """The branch of the newest move, None without any; part of other modules' work."""
    name: str | None = connection.execute(_NEWEST_MOVE, store.mine(session)).scalar()
    return name


def branches(store: Store, session: str) -> list[Branch]:
    """All branches by name."""
    with store.database.read() as connection:
        return [branch_of(row) for row in connection.execute(_BRANCHES, store.mine(session))]


def tags(store: Store, session: str) -> list[Tag]:
    """All tags by name."""
    with store.database.read() as connection:
        return [tag_of(row) for row in connection.execute(_TAGS, store.mine(session))]


def undone(store: Store, session: str, branch: str) -> str | None:
    """The revision that redo would return a branch to, if any."""
    asked = store.mine(session) | {"session_id": session, "branch": branch}
    with store.database.read() as connection:
        row = connection.execute(_UNDONE, asked).first()
    return row.before if row else None


def page(store: Store, session: str, limit: int = 50, before: int = 2**31 - 1) -> list[Revision]:
    """Revisions of all branches, newest first, from number `before` (exclusive) down."""
    with store.database.read() as connection:
        rows = connection.execute(_PAGE, store.mine(session) | {"before": before, "count": limit})
        return [revision_of(row) for row in rows]


def log(store: Store, session: str, revision: str, limit: int = 50) -> list[Revision]:
    """A revision and its first parents, newest first."""
    line = (select(schema.revisions).where(_r.session == bindparam("session"), _r.id == bindparam("id"), OWNED)).cte(
        "line", recursive=True
    )
    older = aliased(schema.revisions)
    line = line.union_all(select(older).where(older.c.session == line.c.session, older.c.id == line.c.parent))
    statement = select(line).order_by(line.c.seq.desc()).limit(limit)
    with store.database.read() as connection:
        return [revision_of(row) for row in connection.execute(statement, store.mine(session) | {"id": revision})]


def moves(store: Store, session: str, limit: int = 100, turn: str | None = None) -> list[Move]:
    """The reflog, newest first; with `turn`, the moves of that turn alone."""
    m = schema.moves
    statement = select(m).where(m.c.session == session, OWNED).order_by(m.c.id.desc()).limit(limit)
    if turn is not None:
        statement = statement.where(m.c.turn == turn)
    with store.database.read() as connection:
        return [move_of(row) for row in connection.execute(statement, store.mine(session))]


_SELECTOR = re.compile(r"(?P<name>[^~]+)(?:~(?P<back>\d{0,5}))?")


def resolve(graph: Graph, text: str, branch: str | None = None) -> Revision:
    """The revision meant by `#7`, `7`, an id or its beginning, a branch, a tag, `head`, `original`, each or with `~2`.

    `head` and `original` are of `branch`, by default the current one. NotFound or Ambiguous otherwise.
    """
    match = _SELECTOR.fullmatch(text.strip())
    if match is None:
        raise no_revision()
    here = _named(graph, match["name"].strip(), branch or graph.current)
    back = 0 if match["back"] is None else int(match["back"] or 1)
    for _ in range(back):
        if not here.parents:
            raise NotFound(f"{text!r} goes back beyond the original photo.", "pentimento log lists this line.")
        here = graph.by_id[here.parents[0]]
    return here


def _named(graph: Graph, name: str, branch: str | None) -> Revision:
    if name in graph.branches:
        return graph.by_id[graph.branches[name]]
    if name in graph.tags:
        return graph.by_id[graph.tags[name]]
    if name.lower() in ("head", "original") and branch is not None and branch in graph.branches:
        line = list(graph.line(graph.branches[branch]))
        return line[0] if name.lower() == "head" else line[-1]
    if name.removeprefix("#").isdecimal() and len(name) < 8:
        return _numbered(graph, int(name.removeprefix("#")))
    return _prefixed(graph, name.lower())


def _numbered(graph: Graph, seq: int) -> Revision:
    for revision in graph.revisions:
        if revision.seq == seq:
            return revision
    raise NotFound(f"There is no #{seq} in this session.", "pentimento log --all lists what there is.")


def _prefixed(graph: Graph, prefix: str) -> Revision:
    prefix = REVISION_PREFIX + prefix.removeprefix(REVISION_PREFIX)
    found = [r for r in graph.revisions if r.id.startswith(prefix)] if len(prefix) >= len(REVISION_PREFIX) + 4 else []
    if not found:
        raise no_revision()
    if len(found) > 1:
        raise Ambiguous("That beginning fits several revisions.", "Give more of the id.", [r.id for r in found])
    return found[0]
