"""`python -m sessions`: what an operator types, the JSON lines it prints, and the exit status."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from sessions import history, schema, turns
from sessions.__main__ import main
from sessions.files import Files
from sessions.store import Store
from tests import making

SECRET = "the words nobody may find again"


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PENTIMENTO_DATABASE_URL", raising=False)
    with closing(Store(tmp_path / "home")) as store:
        made = making.everything(store)
        turns.say(store, made.session, "main", SECRET)
    return tmp_path / "home"


@pytest.fixture
def session(home) -> str:
    with closing(Store(home)) as store:
        return store.sessions()[0].id


@pytest.fixture
def run(capsys):
    """Run a command; its exit status, its JSON lines, its sentences."""

    def command(*arguments: object) -> tuple[int, list[dict], str]:
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return status, [json.loads(line) for line in out.splitlines()], err

    return command


def orphan(home: Path, session: str) -> Path:
    """A file that nothing names, a month old."""
    with closing(Store(home)) as store:
        (place,) = store.keep(session, making.picture(999)).places
    path = home / "blobs" / session / place.blob
    os.utime(path, (time.time() - 30 * 86400,) * 2)
    return path


def test_a_clean_store(home, run):
    assert run("fsck") == (0, [], "")


def test_orphans_are_status_one_and_gc_takes_them(home, session, run):
    path = orphan(home, session)
    status, lines, _ = run("fsck")
    assert status == 1
    assert [(line["word"], line["what"], line["name"]) for line in lines] == [("orphan", "file", path.name)]
    size = path.stat().st_size
    status, lines, _ = run("gc", "--dry-run")
    assert (status, lines[-1]) == (0, {"files": 1, "bytes": size, "dry_run": True})
    status, lines, _ = run("gc", "--grace", "36h")
    assert lines == [
        {"session": session, "file": path.name, "bytes": size},
        {"files": 1, "bytes": size, "dry_run": False},
    ]
    assert run("fsck") == (0, [], "")
    assert run("gc")[1] == [{"files": 0, "bytes": 0, "dry_run": False}]


@pytest.mark.parametrize("grace", ["23h", "0d", "1w", "-1d", "", "14"])
def test_a_grace_that_is_too_short_or_no_time(home, run, grace, capsys):
    with pytest.raises(SystemExit) as ended:
        run("gc", f"--grace={grace}")
    assert ended.value.code == 2
    assert "24 hours" in capsys.readouterr().err


def test_damage_is_status_two_names_the_revisions_and_is_mended_as_far_as_it_goes(home, session, run):
    with closing(Store(home)) as store:
        revision = next(r for r in map(store.revision, [session] * 99, _ids(store, session)) if r.tool == "sepia")
        (blob,) = {place.blob for place in _places(store, session, revision.image)}
    (home / "blobs" / session / blob).write_bytes(b"not a picture")
    status, lines, _ = run("fsck", "--session", session)
    assert status == 2
    assert {"word": "mismatch", "what": "file", "name": blob}.items() <= lines[0].items()
    assert revision.id in {line["name"] for line in lines if line["what"] == "revision"}
    status, lines, _ = run("fsck", "--repair")
    assert status == 2
    assert (home / "quarantine" / session / blob).read_bytes() == b"not a picture"
    (moved,) = (line for line in lines if line["what"] == "file" and "to" in line)
    assert (moved["name"], moved["to"]) == (blob, f"quarantine/{session}/{blob}")


def _ids(store: Store, session: str) -> list[str]:
    return [revision.id for revision in history.page(store, session)]


def _places(store: Store, session: str, image: str) -> list:
    with store.database.read() as connection:
        tiles = connection.execute(schema.pictures.select().where(schema.pictures.c.hash == image)).one().tiles
        return connection.execute(schema.tiles.select().where(schema.tiles.c.hash == tiles[:32].hex())).all()


def test_a_damaged_database_is_status_two(home, run):
    with closing(sqlite3.connect(home / "sessions.db")) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_moves_session'").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (home / "sessions.db").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    status, lines, _ = run("fsck")
    assert status == 2
    assert "database" in {line["what"] for line in lines}


def test_what_is_no_database_is_a_sentence(home, run):
    (home / "sessions.db").write_bytes(b"not a database at all" * 300)
    status, lines, sentence = run("fsck")
    assert (status, lines) == (2, [])
    assert "database" in sentence


def test_looking_after_sessions_never_makes_any(tmp_path, run, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "nowhere"))
    for command in (["fsck"], ["gc"], ["stats"], ["backup", tmp_path / "b"], ["delete", "0" * 32, "--yes"]):
        status, lines, sentence = run(*command)
        assert (status, lines) == (2, [])
        assert "--home" in sentence
    assert not list(tmp_path.iterdir())


def test_stats(home, run):
    status, (told,), _ = run("stats")
    assert status == 0
    expected = {"schema": "0002", "owners": 1, "sessions": 1, "revisions": 9, "orphans": 0, "oldest_orphan_hours": None}
    assert expected.items() <= told.items()
    assert told["bytes"] == sum(path.stat().st_size for path in (home / "blobs").rglob("*") if path.is_file())


def test_the_home_can_be_named(home, run, monkeypatch, tmp_path):
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "nowhere"))
    assert run("stats", "--home", home)[0] == 0


def test_the_database_can_lie_elsewhere(home, run, monkeypatch, tmp_path):
    shutil.move(home / "sessions.db", tmp_path / "elsewhere.db")
    monkeypatch.setenv("PENTIMENTO_DATABASE_URL", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert run("fsck") == (0, [], "")


def test_a_backup_comes_back(home, run, tmp_path):
    status, (first,), _ = run("backup", tmp_path / "backup")
    assert status == 0
    assert (first["sessions"], first["revisions"], first["lost"]) == (1, 9, 0)
    assert run("backup", tmp_path / "backup")[1][0]["copied"] == 0
    assert run("restore", tmp_path / "backup", "--home", tmp_path / "other") == (0, [], "")
    stats = [run("stats", "--home", place)[1][0] for place in (home, tmp_path / "other")]
    assert stats[0] == stats[1]
    status, _, sentence = run("restore", tmp_path / "backup")
    assert status == 2
    assert "already" in sentence


def test_what_is_no_backup_is_not_restored(home, run, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, sentence = run("restore", tmp_path / "empty", "--home", tmp_path / "other")
    assert status == 2
    assert "backup" in sentence
    run("backup", tmp_path / "backup")
    copy = next((tmp_path / "backup").glob("sessions-*.db"))
    data = bytearray(copy.read_bytes())
    data[5000] ^= 1
    copy.write_bytes(data)
    assert run("restore", tmp_path / "backup", "--home", tmp_path / "other")[0] == 2
    assert not (tmp_path / "other" / "sessions.db").exists()


def test_a_backup_of_a_damaged_store_takes_what_there_is_and_says_so(home, session, run, tmp_path):
    run("backup", tmp_path / "before")
    victim = max((home / "blobs" / session).iterdir(), key=lambda path: path.stat().st_size)
    sound = victim.read_bytes()
    victim.write_bytes(b"damaged")
    status, (told,), _ = run("backup", tmp_path / "fresh")
    assert (status, told["lost"]) == (2, 1)
    assert run("restore", tmp_path / "fresh", "--home", tmp_path / "one")[0] == 2
    status, (told,), _ = run("backup", tmp_path / "before")
    assert (status, told["lost"]) == (0, 0), "a sound copy from before stands for a damaged file"
    assert run("restore", tmp_path / "before", "--home", tmp_path / "two") == (0, [], "")
    assert (tmp_path / "two" / "blobs" / session / victim.name).read_bytes() == sound


def test_a_session_is_exported_and_imported(home, session, run, tmp_path):
    status, (told,), _ = run("export", session, tmp_path / "cat.zip")
    assert (status, told["session"], told["rows"]["revisions"]) == (0, session, 9)
    status, (there,), _ = run("import", tmp_path / "cat.zip", "--home", tmp_path / "other")
    assert (status, there["id"], there["seq"]) == (0, session, 9)
    assert run("fsck", "--home", tmp_path / "other") == (0, [], "")
    for command in (["export", session, tmp_path / "cat.zip"], ["import", tmp_path / "cat.zip"]):
        status, lines, sentence = run(*command)
        assert (status, lines) == (2, [])
        assert "already" in sentence


def test_any_owners_session_can_be_exported(home, run, tmp_path):
    with closing(Store(home, owner="somebody")) as store:
        session = making.everything(store, 100).session
    assert run("export", session, tmp_path / "x.zip")[0] == 0
    assert run("export", "0" * 32, tmp_path / "y.zip")[0] == 2
    assert not (tmp_path / "y.zip").exists()


def test_what_is_no_bundle_is_not_imported(home, run, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"not a zip")
    before = sorted(home.rglob("*"))
    for name in ("x.zip", "nothing.zip"):
        status, lines, sentence = run("import", tmp_path / name)
        assert (status, lines) == (2, [])
        assert "Refused" not in sentence and sentence.count("\n") == 1
    assert sorted(path for path in home.rglob("*")) == before


def answered(monkeypatch, answer: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))


@pytest.mark.parametrize("answer", ["", "n\n", "no\n", "what?\n"])
def test_deleting_asks_and_does_nothing_without_a_yes(home, session, run, monkeypatch, answer):
    answered(monkeypatch, answer)
    status, lines, sentence = run("delete", session)
    assert (status, lines) == (1, [])
    assert session in sentence
    assert run("stats")[1][0]["sessions"] == 1


def test_a_deleted_session_is_gone_and_nothing_of_it_can_be_found(home, session, run, monkeypatch):
    with closing(Store(home)) as store:
        other = making.everything(store, 100)
        image = store.revision(session, _ids(store, session)[0]).image
    assert any(SECRET.encode() in path.read_bytes() for path in home.rglob("*") if path.is_file())
    answered(monkeypatch, "y\n")
    status, (told,), _ = run("delete", session)
    assert status == 0
    assert (told["session"], told["revisions"]) == (session, 9)
    left = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert SECRET.encode() not in left
    assert image.encode() not in left
    assert not (home / "blobs" / session).exists()
    assert json.loads((home / "deleted.jsonl").read_text()) == told
    assert run("fsck") == (0, [], "")
    with closing(Store(home)) as store:
        for revision in other.revisions:
            assert store.picture(other.session, revision.image).pixels.tobytes() == other.pixels[revision.id]


def test_a_deletion_that_was_stopped_half_way_can_be_finished(home, session, run, monkeypatch):
    def refuse(*_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Files, "remove", refuse)
        assert run("delete", session, "--yes")[0] == 2
    assert run("stats")[1][0]["sessions"] == 0
    assert run("fsck")[0] == 1
    assert run("delete", session, "--yes")[0] == 0
    assert run("fsck") == (0, [], "")
    assert run("delete", session, "--yes")[0] == 2


@pytest.mark.parametrize("name", ["0" * 32, "../..", "", "short", "A" * 32])
def test_what_is_no_session_is_not_deleted(home, run, name):
    before = sorted(home.rglob("*"))
    status, _, sentence = run("delete", "--yes", "--", name)
    assert status == 2
    assert "no such session" in sentence
    assert sorted(path for path in home.rglob("*")) == before


def test_it_runs_as_a_program_without_torch(home):
    code = "import sys, sessions.__main__ as program; program.main(['fsck']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
    done = subprocess.run([sys.executable, "-m", "sessions", "stats"], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["revisions"] == 9
