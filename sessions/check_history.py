"""Checking a session's history and talk: every id computed again, every link followed. Changes nothing.

What no hash and no neighbour covers (owners, names, times, words, facts) can be changed without anybody noticing.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from typing import Any, get_args

from sqlalchemy import Column, ColumnElement, FromClause, Row, Table, and_, func, or_, select
from sqlalchemy.orm import aliased

from sessions import schema
from sessions.check_pixels import readable
from sessions.errors import StorageError
from sessions.findings import AT, Fault, Look, Problem
from sessions.identity import revision_id
from sessions.rows import revision_of, turn_of
from sessions.values import MoveKind, Source, TurnState

_s, _r, _m, _b, _t = schema.sessions, schema.revisions, schema.moves, schema.branches, schema.turns
_g = schema.tags
_first, _second, _after = aliased(_r), aliased(_r), aliased(_r)
_image, _mask, _inverted = aliased(schema.pictures), aliased(schema.pictures), aliased(_m)
_said, _link = schema.messages, schema.message_revisions


def _at(other: FromClause, table: Table, key: Column[str], name: str = "id") -> ColumnElement[bool]:
    """The row of another table in the same session that a column names."""
    return and_(other.c.session == table.c.session, other.c[name] == key)


_COUNT = select(func.count()).where(_r.c.session == AT)
_GIVEN = select(_s.c.seq).where(_s.c.id == AT)
_REVISIONS = (
    select(
        _r,
        _first.c.id.label("first_found"),
        _second.c.id.label("second_found"),
        _image.c.width.label("image_width"),
        _image.c.height.label("image_height"),
        _mask.c.hash.label("mask_found"),
        _t.c.request_id.label("turn_found"),
    )
    .outerjoin(_first, _at(_first, _r, _r.c.parent))
    .outerjoin(_second, _at(_second, _r, _r.c.parent2))
    .outerjoin(_image, _at(_image, _r, _r.c.image, "hash"))
    .outerjoin(_mask, _at(_mask, _r, _r.c.mask, "hash"))
    .outerjoin(_t, _at(_t, _r, _r.c.turn, "request_id"))
    .where(_r.c.session == AT)
    .order_by(_r.c.seq)
)
_MOVES = (
    select(
        _m,
        _first.c.id.label("before_found"),
        _after.c.id.label("after_found"),
        _inverted.c.kind.label("inverted"),
        _t.c.request_id.label("turn_found"),
    )
    .outerjoin(_first, _at(_first, _m, _m.c.before))
    .outerjoin(_after, _at(_after, _m, _m.c.after))
    .outerjoin(_inverted, _at(_inverted, _m, _m.c.inverts))
    .outerjoin(_t, _at(_t, _m, _m.c.turn, "request_id"))
    .where(_m.c.session == AT)
    .order_by(_m.c.id)
)
_BRANCHES = (
    select(_b.c.name, _b.c.head, _r.c.id.label("found")).outerjoin(_r, _at(_r, _b, _b.c.head)).where(_b.c.session == AT)
)
_TAGS = select(_g.c.name, _r.c.id.label("found")).outerjoin(_r, _at(_r, _g, _g.c.revision)).where(_g.c.session == AT)
_ASSETS = select(schema.assets.c.sha256).where(schema.assets.c.session == AT)
_MESSAGES = select(_said).where(_said.c.session == AT)
_LOOSE = (
    select(_link)
    .outerjoin(_said, _at(_said, _link, _link.c.message))
    .outerjoin(_r, _at(_r, _link, _link.c.revision))
    .where(_link.c.session == AT, or_(_said.c.id.is_(None), _r.c.id.is_(None)))
)
_TURNS = (
    select(_t, _said.c.id.label("said"), _r.c.id.label("planned_on"))
    .outerjoin(_said, _at(_said, _t, _t.c.message))
    .outerjoin(_r, _at(_r, _t, _t.c.planned_head))
    .where(_t.c.session == AT)
)


def check_history(look: Look) -> Iterator[Problem]:
    """Revisions, after `check_pixels` has said what they stand on; branches, tags and moves; messages and turns."""
    yield from _revisions(look)
    yield from _moves(look)
    yield from _branches(look)
    yield from _messages(look)
    yield from _links(look)
    yield from _turns(look)


def _revisions(look: Look) -> Iterator[Problem]:
    last = yield from _numbers(look)
    for row in look.rows(_REVISIONS):
        for fault in _revision(row, look, last):
            yield look.problem(fault, "revision", row.id)


def _numbers(look: Look) -> Generator[Problem, None, int]:
    """Numbers are given without gaps; returns the last one that can be."""
    here = {"session": look.session}
    there = int(look.connection.execute(_COUNT, here).scalar_one())
    given = look.connection.execute(_GIVEN, here).scalar()
    if given is not None and there != given:
        sentence = f"{given} revisions were numbered and {there} are there"
        yield look.problem(("mismatch", sentence), "session", look.session)
    return max(there, given or 0)


def _revision(row: Row[Any], look: Look, last: int) -> Iterator[Fault]:
    try:
        found = revision_of(row)
        if revision_id(found.parents, found.step, found.geometry, found.image, found.mask) != row.id:
            yield "mismatch", "its id is not the hash of what it says"
    except (StorageError, TypeError, ValueError):
        yield "mismatch", "its record cannot be read"
    for parent, found_at in ((row.parent, row.first_found), (row.parent2, row.second_found)):
        if parent is not None and found_at is None:
            yield "dangling", "a parent is not there"
    if row.image_width is None:
        yield "dangling", "its picture has no record"
    elif (row.width, row.height) != (row.image_width, row.image_height):
        yield "mismatch", "its size is not its picture's"
    if row.mask is not None and row.mask_found is None:
        yield "dangling", "its mask has no record"
    if row.turn is not None and row.turn_found is None:
        yield "dangling", "the turn it came of has no record"
    if row.source not in get_args(Source) or not 1 <= row.seq <= last:
        yield "mismatch", "its source or its number is impossible"
    for picture in {row.image, row.mask} & set(look.pictures):
        yield look.pictures[picture]


def _moves(look: Look) -> Iterator[Problem]:
    """Every move begins where the one before it ended; where the last ones ended is left in `look.heads`."""
    for row in look.rows(_MOVES):
        for fault in _move(row, look.heads.pop(row.old_name or row.branch, None)):
            yield look.problem(fault, "move", row.id)
        look.heads[row.branch] = row.after  # popped before, so that the newest stands last


def _move(row: Row[Any], stood: str | None) -> Iterator[Fault]:
    if (row.before is not None and row.before_found is None and row.kind != "repair") or row.after_found is None:
        yield "dangling", "it leads from or to a revision that is not there"
    opens = row.kind in ("root", "branch")
    if row.kind not in get_args(MoveKind) or (row.before != stood and row.kind != "repair" and not opens):
        yield "mismatch", "it does not begin where the branch was"
    fits = (row.kind == "redo") == (row.inverts is not None) and (row.kind == "rename") == (row.old_name is not None)
    if not fits or (opens and row.before is not None):
        yield "mismatch", "its kind does not fit what it did"
    if row.turn is not None and row.turn_found is None:
        yield "dangling", "the turn it came of has no record"
    if row.inverts is not None and row.inverted not in ("undo", "reset"):
        yield "dangling", "it inverts a move that is not there"


def _branches(look: Look) -> Iterator[Problem]:
    """Every branch stands where its last move went, and the branch that moved last is there."""
    names = set()
    for row in look.rows(_BRANCHES):
        names.add(row.name)
        if row.found is None:
            yield look.problem(("dangling", "its head is not there"), "branch", row.name)
        elif look.heads.get(row.name) != row.head:
            yield look.problem(("mismatch", "its head is not where its last move went"), "branch", row.name)
    current = next(reversed(look.heads), None)
    if current is not None and current not in names:
        yield look.problem(("dangling", "it is the current branch and is not there"), "branch", current)
    yield from _tags(look, names)


def _tags(look: Look, branches: set[str]) -> Iterator[Problem]:
    for row in look.rows(_TAGS):
        if row.found is None:
            yield look.problem(("dangling", "what it was put on is not there"), "tag", row.name)
        if row.name in branches:
            yield look.problem(("mismatch", "a branch has its name"), "tag", row.name)


def _messages(look: Look) -> Iterator[Problem]:
    assets = {row.sha256 for row in look.rows(_ASSETS)}
    for row in look.rows(_MESSAGES):
        faults = list(readable(row.attachments, list))
        if not faults and not set(json.loads(row.attachments)) <= assets:
            faults = [("dangling", "an attachment has no record")]
        if row.role not in ("user", "assistant"):
            faults.append(("mismatch", "neither of the two said it"))
        for fault in faults:
            yield look.problem(fault, "message", row.id)


def _links(look: Look) -> Iterator[Problem]:
    for row in look.rows(_LOOSE):
        yield look.problem(("dangling", "it, or what came of it, is not there"), "message", row.message)


def _turns(look: Look) -> Iterator[Problem]:
    for row in look.rows(_TURNS):
        for fault in _turn(row):
            yield look.problem(fault, "turn", row.request_id)


def _turn(row: Row[Any]) -> Iterator[Fault]:
    if row.said is None:
        yield "dangling", "the message that asked for it is not there"
    if row.planned_head is not None and row.planned_on is None:
        yield "dangling", "the revision it was planned on is not there"
    try:
        turn_of(row)
    except StorageError:
        yield "mismatch", "its plan or its outcome cannot be read"
    if row.state not in get_args(TurnState) or row.next_step < 0:
        yield "mismatch", "its state is impossible"
