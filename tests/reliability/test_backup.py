"""R9. A backup made while others write restores clean, and holds all that was acknowledged before it began."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sessions import backup, history, moves, names
from sessions.erase import delete_session
from sessions.errors import StorageError
from sessions.store import Store
from tests import making

BACKUPS = 10


@pytest.fixture
def folder() -> Iterator[Path]:
    with making.memory_folder() as place:
        yield place


class Writer(threading.Thread):
    """Edits until told to stop; `told` grows with every acknowledged revision, and `wrote` is set."""

    def __init__(self, home: Path, session: str) -> None:
        super().__init__()
        self.home, self.session, self.told = home, session, []
        self.stop, self.wrote = threading.Event(), threading.Event()

    def run(self) -> None:
        with closing(Store(self.home)) as store:
            seed = 0
            while not self.stop.is_set():
                seed += 1
                self.told.append(making.edit(store, self.session, "main", making.wide(seed, changed=seed % 3 + 1)).id)
                if seed % 4 == 0:
                    moves.undo(store, self.session, "main")
                names.tag(store, self.session, "newest", self.told[-1], move=True)
                self.wrote.set()


def test_ten_backups_while_somebody_writes(folder):
    home = folder / "home"
    with closing(Store(home)) as store:
        session = store.create_session("cat.png").id
        making.upload(store, session, making.wide(0))
        writer = Writer(home, session)
        writer.start()
        try:
            spans = []
            for number in range(BACKUPS):
                before = list(writer.told)
                manifest = backup.backup(store, folder / f"backup-{number % 2}" / str(number // 2))
                spans.append((before, len(writer.told)))
                assert manifest.lost == 0
                assert writer.wrote.wait(60), "nobody wrote meanwhile"
                writer.wrote.clear()
        finally:
            writer.stop.set()
            writer.join(timeout=60)
    told = writer.told
    assert spans[-1][1] > len(spans[0][0]), "nobody wrote meanwhile"
    for number, (before, ended) in enumerate(spans):
        place = folder / f"restored-{number}"
        assert backup.restore(folder / f"backup-{number % 2}" / str(number // 2), place) == []
        with closing(Store(place)) as store:
            graph = history.graph(store, session)
        there = {revision.id for revision in graph.revisions if revision.parents}
        assert set(before) <= there <= set(told[: ended + 1])  # one may be done and not yet told
        assert set(graph.tags.values()) <= set(told[max(len(before) - 2, 0) : ended + 1])
        assert graph.head.id in {*told[: ended + 1], graph.revisions[0].id}


def test_whoever_writes_between_any_two_parts_of_a_backup_does_not_spoil_it(folder, monkeypatch):
    with closing(Store(folder / "home")) as store:
        made = making.everything(store)
        told = [revision.id for revision in made.revisions]

        def write() -> None:
            told.append(making.edit(store, made.session, "main", making.picture(1000 + len(told))).id)

        def between(real: Callable[..., Any], *arguments: Any) -> Any:
            write()
            result = real(*arguments)
            write()
            return result

        for name in ("_copy_database", "_sync_and_hash", "_copy_files", "_put_in_force"):
            monkeypatch.setattr(backup, name, partial(between, getattr(backup, name)))
        before = len(told)
        backup.backup(store, folder / "backup")
        monkeypatch.undo()
        assert len(told) == before + 8
    assert backup.restore(folder / "backup", folder / "other") == []
    with closing(Store(folder / "other")) as store:
        there = {revision.id for revision in history.graph(store, made.session).revisions}
    assert set(told[:before]) <= there <= set(told)


def test_the_same_folder_again_takes_only_what_is_new(folder):
    with closing(Store(folder / "home")) as store:
        made = making.everything(store)
        first = backup.backup(store, folder / "backup")
        making.edit(store, made.session, "main", making.picture(500))
        second = backup.backup(store, folder / "backup")
    assert first.copied > 10
    assert second.copied == 1
    assert len(list((folder / "backup").glob("sessions-*"))) == 1
    assert backup.restore(folder / "backup", folder / "other") == []
    with closing(Store(folder / "other")) as store:
        assert len(history.page(store, made.session)) == len(made.revisions) + 1


def test_a_session_deleted_meanwhile_fails_the_backup_and_leaves_the_one_before(folder, monkeypatch):
    with closing(Store(folder / "home")) as store:
        made, doomed = making.everything(store), making.everything(store, 100)
        backup.backup(store, folder / "backup")
        copy = backup._copy_files

        def slowly(*arguments):
            if store.sessions()[0].id == doomed.session or len(store.sessions()) == 2:
                delete_session(store, doomed.session)
            return copy(*arguments)

        monkeypatch.setattr(backup, "_copy_files", slowly)
        with pytest.raises(StorageError):
            backup.backup(store, folder / "backup")
    assert backup.restore(folder / "backup", folder / "other") == []
    with closing(Store(folder / "other")) as store:
        assert {session.id for session in store.sessions()} == {made.session, doomed.session}


def test_a_restore_that_was_stopped_can_be_begun_again(folder, monkeypatch):
    with closing(Store(folder / "home")) as store:
        made = making.everything(store)
        backup.backup(store, folder / "backup")

    def stop(*_):
        raise KeyboardInterrupt

    for name in ("_bring", "fsck", "_sync_and_hash"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            if name == "_sync_and_hash":
                real = backup._sync_and_hash
                patch.setattr(backup, name, lambda path, real=real: real(path) if path.suffix == ".db" else stop())
            else:
                patch.setattr(backup, name, stop)
            backup.restore(folder / "backup", folder / "other")
        assert not (folder / "other" / "sessions.db").exists()
    assert backup.restore(folder / "backup", folder / "other") == []
    with closing(Store(folder / "other")) as store:
        assert len(history.page(store, made.session)) == len(made.revisions)
    assert [path.name for path in sorted((folder / "other").iterdir())] == ["blobs", "sessions.db"]
