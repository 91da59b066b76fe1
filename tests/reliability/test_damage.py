"""R5. Damage is noticed and named: `fsck` reports exactly the revisions it touches, and all others can be read."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from sqlalchemy import Boolean, Column, Float, Integer, LargeBinary

from sessions import commits, history, moves, schema, turns, upkeep
from sessions.errors import NothingToUndo, PentimentoError, StorageError
from sessions.findings import Problem
from sessions.fsck import fsck
from sessions.repair import repair
from sessions.store import Store
from sessions.values import Picture, Revision, Source
from tests import making

ALWAYS = {
    "sessions": "id seq",
    "assets": "session sha256 width height bytes",
    "pictures": "session hash mode width height tiles",
    "tiles": "session hash blob offset codec",
    "revisions": "session id seq parent parent2 step image mask width height",
    "branches": "session name head",
    "tags": "session",
    "moves": "session branch before after old_name",
    "message_revisions": "session",
    "turns": "session",
}
"""Columns in which every change is noticed."""

SOMETIMES = {
    "assets": "kind original facts",
    "tiles": "length",
    "revisions": "geometry source turn facts made_with",
    "tags": "revision",
    "moves": "id kind turn inverts",
    "messages": "session id role attachments",
    "message_revisions": "message revision",
    "turns": "request_id message planned_head plan state next_step outcome",
}
"""Columns in which what makes no sense is noticed, and what makes another sense is not."""

NEVER = {
    "sessions": "owner name request_id created_at touched_at",
    "assets": "media_type seconds name created_at",
    "revisions": "name created_at",
    "branches": "version",
    "tags": "name created_at",
    "moves": "created_at",
    "messages": "branch text created_at",
    "message_revisions": "position",
    "turns": "branch cancel lease heartbeat created_at",
}
"""Columns that no hash and no neighbour covers."""


@dataclass(frozen=True)
class Kept:
    """A revision as it was: what it is, its number, and its pixels."""

    revision: Revision
    image: Picture
    mask: Picture | None


@pytest.fixture
def home() -> Iterator[Path]:
    with making.memory_folder() as folder:
        with closing(Store(folder / "home")) as store:
            making.everything(store)
            making.everything(store, 100)
        yield folder / "home"


def remember(store: Store) -> list[Kept]:
    sessions = [session.id for session in store.sessions()]
    with store.database.read() as connection:
        rows = connection.execute(schema.revisions.select()).all()
    made = [store.revision(row.session, row.id) for row in rows if row.session in sessions]
    return [
        Kept(r, store.picture(r.session, r.image), store.picture(r.session, r.mask) if r.mask else None) for r in made
    ]


def unreadable(store: Store, kept: list[Kept]) -> set[str]:
    """By reading, without `fsck`: the revisions that are not what they were, or whose links lead nowhere."""
    return {one.revision.id for one in kept if not _readable(store, one)}


def _readable(store: Store, one: Kept) -> bool:
    was = one.revision
    try:
        now = store.revision(was.session, was.id)
        shown = store.picture(was.session, now.image)
        if now.mask is not None:
            store.picture(was.session, now.mask)
        for parent in now.parents:
            with suppress(StorageError):  # there, if damaged: that is the parent's misfortune
                store.revision(was.session, parent)
        with suppress(StorageError):
            if now.turn is not None:
                turns.get(store, was.session, now.turn)
    except PentimentoError:
        return False
    content = (now.parents, now.step, now.geometry, now.image, now.mask, now.seq, now.width, now.height)
    same = content == (was.parents, was.step, was.geometry, was.image, was.mask, was.seq, was.width, was.height)
    return same and now.source in get_args(Source) and np.array_equal(shown.pixels, one.image.pixels)


def accused(problems: list[Problem]) -> set[str]:
    return {problem.name for problem in problems if problem.what == "revision"}


def files_of(home: Path) -> list[Path]:
    return sorted(path for path in (home / "blobs").rglob("*") if path.is_file())


def check_flips(store: Store, count: int) -> None:
    """Flip one bit somewhere, look, flip it back; so many times."""
    dice, kept, blamed = random.Random(0), remember(store), 0
    for _ in range(count):
        path = dice.choice(files_of(store.home))
        sound = path.read_bytes()
        bit = dice.randrange(8 * len(sound))
        path.write_bytes(sound[: bit // 8] + bytes([sound[bit // 8] ^ 1 << bit % 8]) + sound[bit // 8 + 1 :])
        problems = list(fsck(store))
        assert any(problem.damage for problem in problems), f"bit {bit} of {path} was not noticed"
        assert accused(problems) == unreadable(store, kept)
        blamed += bool(accused(problems))
        path.write_bytes(sound)
    assert blamed > count // 2
    assert not list(fsck(store))


def check_deletions(store: Store, count: int) -> None:
    """Take one file away, look, put it back."""
    dice, kept = random.Random(1), remember(store)
    for _ in range(count):
        path = dice.choice(files_of(store.home))
        away = path.rename(store.home / "away")
        problems = list(fsck(store))
        assert any(problem.word == "missing" for problem in problems)
        assert accused(problems) == unreadable(store, kept)
        away.rename(path)
    assert not list(fsck(store))


def test_flipped_bits_are_noticed(home):
    with closing(Store(home)) as store:
        check_flips(store, 30)


def test_deleted_files_are_noticed(home):
    with closing(Store(home)) as store:
        check_deletions(store, 10)


@pytest.mark.reliability
def test_a_thousand_flipped_bits_are_noticed(home):
    with closing(Store(home)) as store:
        check_flips(store, 1000)


@pytest.mark.reliability
def test_a_hundred_deleted_files_are_noticed(home):
    with closing(Store(home)) as store:
        check_deletions(store, 100)


# Rows


def in_list(columns: dict[str, str], column: Column[Any]) -> bool:
    return column.name in columns.get(column.table.name, "").split()


def other_values(column: Column[Any], value: Any, others: list[Any]) -> Iterator[Any]:
    """Values that differ from the one that stands there: another row's, a near miss, nonsense, nothing."""
    yield from [other for other in others if other not in (value, None)][:1]
    if value is None:
        yield 1.5 if isinstance(column.type, Float) else 77 if isinstance(column.type, Integer) else "x" * 64
    elif isinstance(column.type, LargeBinary):
        yield from (bytes([value[0] ^ 1]) + value[1:], value[:-32], value + value[:32])
    elif isinstance(column.type, Boolean):
        yield 1 - value
    elif isinstance(column.type, Integer | Float):
        yield from (value + 1000, -value - 1)
    else:
        yield from ("?" + value[1:], value[:-1] + ("0" if value[-1:] != "0" else "1"))
    if column.nullable and value is not None:
        yield None


@dataclass(frozen=True)
class Edit:
    """One cell of one row, and what is to stand there."""

    column: Column[Any]
    row: int
    was: Any
    value: Any

    def __str__(self) -> str:
        return f"{self.column} of row {self.row}: {self.was!r} → {self.value!r}"


def edits(home: Path, column: Column[Any], dice: random.Random) -> list[Edit]:
    """A few edits of one column, in up to two rows."""
    with closing(sqlite3.connect(home / "sessions.db")) as connection:
        rows = connection.execute(f'SELECT rowid, "{column.name}" FROM {column.table.name} ORDER BY rowid').fetchall()
    filled = [row for row in rows if row[1] is not None] or rows
    others = [value for _, value in rows]
    return [
        Edit(column, rowid, was, value)
        for rowid, was in dice.sample(filled, min(2, len(filled)))
        for value in other_values(column, was, others)
    ]


@contextmanager
def edited(home: Path, edit: Edit) -> Iterator[bool]:
    """The store with one cell changed, behind the back of every constraint; False where not even that is possible."""
    database = home / "sessions.db"
    shutil.copyfile(database, home / "sound.db")
    try:
        with closing(sqlite3.connect(database)) as connection:
            statement = f'UPDATE {edit.column.table.name} SET "{edit.column.name}" = ? WHERE rowid = ?'
            connection.execute(statement, (edit.value, edit.row))
            connection.commit()
        yield True
    except sqlite3.IntegrityError:
        yield False
    finally:
        (home / "sound.db").rename(database)


COLUMNS = [column for table in schema.metadata.sorted_tables for column in table.columns]


def test_every_column_is_accounted_for():
    for column in COLUMNS:
        assert sum(in_list(columns, column) for columns in (ALWAYS, SOMETIMES, NEVER)) == 1, column


@pytest.mark.reliability
def test_edited_rows_are_noticed_and_blamed_on_the_revisions_they_touch(home):
    dice, done = random.Random(2), 0
    with closing(Store(home)) as store:
        kept = remember(store)
    for column in COLUMNS:
        noticed = []
        for edit in edits(home, column, dice):
            with edited(home, edit) as possible:
                if possible:
                    noticed.append(check_edit(home, edit, kept))
        assert noticed, f"{column} was never edited"
        assert not in_list(SOMETIMES, column) or True in noticed, column
        done += len(noticed)
    print(f"{done} edits")
    assert done >= 200


def check_edit(home: Path, edit: Edit, kept: list[Kept]) -> bool:
    with closing(Store(home)) as store:
        problems = list(fsck(store))
        noticed = any(problem.damage for problem in problems)
        if edit.column is not schema.sessions.c.owner:  # reading as somebody else is no damage
            blamed = {edit.was if name == edit.value else name for name in accused(problems)}  # an id names itself
            assert blamed == unreadable(store, kept), edit
    assert noticed or not in_list(ALWAYS, edit.column), edit
    assert not noticed or not in_list(NEVER, edit.column), f"{edit}: {problems}"
    return noticed


# Mending


def test_what_was_lost_is_healed_by_replaying_it(home):
    with closing(Store(home)) as store:
        (session, _), kept = store.sessions(), remember(store)
        victim = next(path for path in files_of(home) if path.parent.name == session.id and path.stat().st_size > 3000)
        data = victim.read_bytes()
        victim.write_bytes(data[:100] + bytes(len(data) - 100))
        lost = unreadable(store, kept)
        assert lost
        done = list(repair(store, fsck(store)))
        assert any(one.what == "file" for one in done)
        assert (home / "quarantine" / session.id / victim.name).read_bytes() != data
        assert unreadable(store, kept) == lost
        for one in kept:
            if one.revision.id in lost:
                replay(store, one)
        assert not unreadable(store, kept)
        assert not list(fsck(store))


def replay(store: Store, one: Kept) -> None:
    """The same step with the same result, as whoever has the pixels would send it."""
    was = one.revision
    kept = store.keep(was.session, one.image, one.mask.pixels if one.mask else None)
    draft = commits.Draft(kept, was.parents, was.step, was.geometry, was.source)
    assert commits.append_on_new_branch(store, was.session, "again", draft)[0] == was


def test_a_damaged_head_goes_back_to_its_newest_sound_ancestor(home):
    with closing(Store(home)) as store:
        session = store.sessions()[0].id
        graph = history.graph(store, session)
        line = list(graph.line(graph.branches["main"]))
        with store.database.read() as connection:
            needed = upkeep.needed(connection, session)
        for image in (line[0].image, line[1].image):
            with store.database.read() as connection:
                tile = connection.execute(schema.pictures.select().where(schema.pictures.c.hash == image)).first().tiles
                row = connection.execute(schema.tiles.select().where(schema.tiles.c.hash == tile[:32].hex())).first()
            assert row.blob in needed
            store.files.path(store.blobs.name(session, row.blob)).unlink()
        unsound = accused(list(fsck(store)))
        expected = next(revision for revision in line if revision.id not in unsound)
        assert {line[0].id, line[1].id} <= unsound
        list(repair(store, fsck(store)))
        assert moves.branch(store, session, "main").head == expected.id
        newest = history.moves(store, session, 1)[0]
        assert (newest.kind, newest.before, newest.after) == ("repair", line[0].id, expected.id)
        with pytest.raises(NothingToUndo):
            moves.redo(store, session, "main")
        assert accused(list(fsck(store))) == unsound
        assert not [p for p in fsck(store) if p.what in ("branch", "move", "session")]
        assert not [done for done in repair(store, fsck(store)) if done.what == "branch"]


def test_a_sound_tile_is_never_forgotten_nor_its_file_moved(home):
    """Three tiles in one file, one damaged: the revisions that use the other two are still there after a repair."""
    with closing(Store(home)) as store:
        session, kept = store.sessions()[0].id, remember(store)
        with store.database.read() as connection:
            tiles = connection.execute(schema.tiles.select().where(schema.tiles.c.session == session)).all()
        place = next(t for t in tiles if sum(other.blob == t.blob for other in tiles) > 2 and t.offset > 0)
        path = store.files.path(store.blobs.name(session, place.blob))
        data = path.read_bytes()
        path.write_bytes(data[: place.offset] + bytes(place.length) + data[place.offset + place.length :])
        lost = unreadable(store, kept)
        done = list(repair(store, fsck(store)))
        assert [(one.what, one.name) for one in done if one.what != "branch"] == [("tile", place.hash)]
        assert unreadable(store, kept) == lost
        assert path.exists()
