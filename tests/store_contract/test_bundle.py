"""A session as a file: the same again wherever it is taken in, whatever its names and words are."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions import history, moves, turns, upkeep, uploads
from sessions.bundle import export_session, import_session
from sessions.erase import delete_session
from sessions.errors import BlobDamaged, NameTaken, NotFound, Refused, StorageError, StorageFull
from sessions.files import Files
from sessions.fsck import fsck
from sessions.identity import new_id
from sessions.intake import Admitted, check_message
from tests import making
from tests.fixtures.remake import told
from tests.making import Made, contents


@pytest.fixture
def made(made, store) -> Made:
    turns.finish(store, turns.get(store, made.session, "ask"), "done", {}, "Done.")
    return made


@pytest.fixture
def packed(store, made) -> Path:
    path = store.home.parent / "cat.zip"
    export_session(store, made.session, path)
    return path


# There and back


def test_it_is_the_same_session_elsewhere(store, made, packed, elsewhere):
    session = import_session(elsewhere, packed)
    assert (session.id, session.owner, session.name, session.seq) == (made.session, elsewhere.owner, "cat.png", 9)
    before, after = told(store, made.session), told(elsewhere, made.session)
    for turn in before["turns"]:
        turn["heartbeat"] = None
    offset = before["moves"][-1]["id"] - 1  # ids of moves count over all sessions of a database
    for move in before["moves"]:
        move["id"] -= offset
        move["inverts"] = move["inverts"] and move["inverts"] - offset
    assert after == before
    assert before["tags"] and any("old_name" in move for move in before["moves"])
    assert list(fsck(elsewhere)) == []


def test_it_goes_on_elsewhere(made, packed, elsewhere):
    session = import_session(elsewhere, packed).id
    assert elsewhere.sessions(1)[0].id == session
    assert history.graph(elsewhere, session).undone is None
    new = making.edit(elsewhere, session, "main", making.picture(500))
    assert new.seq == 10
    assert moves.undo(elsewhere, session, "main").head == new.parents[0]
    assert turns.find(elsewhere, session, "turn-0").state == "done"


def test_redo_works_elsewhere(store, made, elsewhere):
    moves.undo(store, made.session, "main")
    undone = history.graph(store, made.session).undone
    path = store.home.parent / "x.zip"
    export_session(store, made.session, path)
    session = import_session(elsewhere, path).id
    assert moves.redo(elsewhere, session, "main").head == undone


def test_equal_sessions_are_equal_files(store, made, packed, elsewhere):
    again, back = store.home.parent / "again.zip", store.home.parent / "back.zip"
    assert export_session(store, made.session, again) == export_session(
        elsewhere, import_session(elsewhere, packed).id, back
    )
    assert packed.read_bytes() == again.read_bytes() == back.read_bytes()


def test_any_zip_program_can_look_into_it(store, made, packed):
    with zipfile.ZipFile(packed) as opened:
        assert opened.testzip() is None
        manifest = json.loads(opened.read("manifest.json"))
        revisions = [json.loads(line) for line in opened.read("revisions.jsonl").splitlines()]
        blobs = {name.removeprefix("blobs/") for name in opened.namelist() if name.startswith("blobs/")}
        assert all(hashlib.sha256(opened.read(f"blobs/{blob}")).hexdigest() == blob for blob in blobs)
    assert [r["id"] for r in revisions] == [r.id for r in history.graph(store, made.session).revisions]
    assert manifest["rows"]["revisions"] == 9 and manifest["blobs"] == len(blobs)
    assert store.owner not in packed.read_bytes().decode("latin-1")


def test_a_turn_that_is_not_finished_travels_as_cancelled(store, made, elsewhere):
    session = made.session
    for name in ("planned", "waiting", "running"):
        turns.begin(store, making.planned(session, name, "main"), name)
    turns.wait(store, turns.get(store, session, "waiting"), {}, "Which?")
    turns.take(store, session, "running", "me")
    path = store.home.parent / "x.zip"
    export_session(store, session, path)
    import_session(elsewhere, path)
    for name in ("planned", "waiting", "running"):
        turn = turns.get(elsewhere, session, name)
        assert (turn.state, turn.lease, turn.heartbeat) == ("cancelled", None, None)
        assert "not finished" in turn.outcome["reply"]
    assert turns.open_turns(elsewhere, session) == []
    assert turns.get(store, session, "running").state == "running"


def test_an_empty_session_travels_too(store, session, elsewhere):
    assert export_session(store, session, store.home.parent / "x.zip").blobs == 0
    assert import_session(elsewhere, store.home.parent / "x.zip").seq == 0


WORDS = st.text(max_size=30) | st.text(st.sampled_from("a \x00\x1b\x9b\n\u2028\udcff🐈"), max_size=300)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(WORDS, min_size=1, max_size=20), st.lists(WORDS, max_size=20))
def test_whatever_the_door_takes_goes_out_and_comes_in_again(store, elsewhere, names, messages):
    session = store.create_session(names[0])
    shown = making.upload(store, session.id, making.picture(1))[0].image
    for seed, name in enumerate(names):
        admitted = Admitted("image", "image/png", making.picture(seed + 2), None, None, bytes([seed]))
        uploads.root(store, session.id, uploads.receive(store, session.id, admitted, name), "main")
    for number, text in enumerate(messages):
        with suppress(Refused):
            turns.begin(store, making.planned(session.id, str(number), "main"), check_message(text), (shown,))
            turns.finish(store, turns.get(store, session.id, str(number)), "done", {"reply": "Done."}, "Done.")
    with TemporaryDirectory() as folder:
        export_session(store, session.id, Path(folder) / "out.zip")
        assert import_session(elsewhere, Path(folder) / "out.zip").name == session.name
        export_session(elsewhere, session.id, Path(folder) / "back.zip")
        assert (Path(folder) / "out.zip").read_bytes() == (Path(folder) / "back.zip").read_bytes()


# Whose it is


def test_what_is_here_already_is_not_taken_in_twice(store, made, packed):
    before = contents(store)
    with pytest.raises(NameTaken, match="here already"):
        import_session(store, packed)
    assert contents(store) == before


def test_somebody_elses_session_becomes_a_copy_under_an_id_of_its_own(store, stranger, made, packed):
    copy = import_session(stranger, packed)
    assert copy.id != made.session
    assert [r.id for r in history.graph(stranger, copy.id).revisions] == [
        r.id for r in history.graph(store, made.session).revisions
    ]
    for revision in made.revisions:
        shown = stranger.picture(copy.id, stranger.revision(copy.id, revision.id).image)
        assert shown.pixels.tobytes() == made.pixels[revision.id]
    delete_session(store, made.session)
    assert not [p for p in fsck(stranger, copy.id) if p.damage]
    assert store.sessions() == []
    assert import_session(store, packed).id == made.session


def test_only_ones_own_can_be_exported(stranger, made):
    path = stranger.home.parent / "x.zip"
    for session in (made.session, new_id()):
        with pytest.raises(NotFound, match="no such session"):
            export_session(stranger, session, path)
    assert not path.exists()


# Files


def test_a_file_that_is_there_is_not_overwritten(store, made, packed):
    before = packed.read_bytes()
    with pytest.raises(StorageError, match="already"):
        export_session(store, made.session, packed)
    assert packed.read_bytes() == before


@pytest.mark.parametrize("place", [".", "/", "..", "cat.zip/cat.zip", "nowhere/cat.zip", "x" * 300])
def test_where_no_file_can_be_written_is_a_sentence(store, made, packed, place, monkeypatch):
    monkeypatch.chdir(packed.parent)
    with pytest.raises(StorageError, match=r"already|disk refused"):
        export_session(store, made.session, Path(place))
    assert packed.exists()


def test_nobody_can_take_the_name_while_it_is_written(store, made, monkeypatch):
    path, taken, get = store.home.parent / "x.zip", [], store.blobs.get

    def others(session: str, blob: str) -> bytes:
        with suppress(FileExistsError):
            taken.append(path.open("xb").close())
        return get(session, blob)

    monkeypatch.setattr(store.blobs, "get", others)
    assert export_session(store, made.session, path).blobs
    assert not taken and path.stat().st_size


def test_a_damaged_session_is_not_exported(store, made):
    victim = next(iter((store.home / "blobs" / made.session).iterdir()))
    data = victim.read_bytes()
    victim.write_bytes(b"damaged")
    folder = store.home.parent / "out"
    folder.mkdir()
    with pytest.raises(BlobDamaged):
        export_session(store, made.session, folder / "x.zip")
    assert list(folder.iterdir()) == []
    victim.write_bytes(data)


def test_a_disk_that_fills_up_while_files_are_moved_leaves_nothing(elsewhere, packed, monkeypatch):
    before = contents(elsewhere)
    for at in range(1, 15):
        calls = iter(range(100))

        def fill(*_: Any, calls=calls, at=at) -> None:
            if next(calls) == at - 1:
                raise OSError(28, "No space left on device")

        real = Files.rename
        monkeypatch.setattr(
            Files, "rename", lambda self, old, new, real=real, fill=fill: (fill(), real(self, old, new))[1]
        )
        try:
            import_session(elsewhere, packed)
        except StorageFull:
            assert contents(elsewhere)[0] == before[0]
            assert not [p for p in (elsewhere.home / "blobs").rglob("*") if p.is_file()]
        finally:
            monkeypatch.undo()
    assert at == 14 and elsewhere.sessions()
    assert list(fsck(elsewhere)) == []


def test_what_a_killed_import_left_is_swept_away_later(elsewhere, packed):
    left = elsewhere.home / f"{upkeep.IMPORTING}abc"
    (left / "blobs").mkdir(parents=True)
    (left / "blobs" / "x").write_bytes(b"123")
    assert list(upkeep.gc(elsewhere)) == []
    os.utime(left, (0, 0))
    assert [(one.file, one.bytes) for one in upkeep.gc(elsewhere)] == [(left.name, 3)]
    assert not left.exists()
