"""A session as a file: the same again wherever it is taken in, and nothing at all of one that was tampered with."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from sessions import bundle_rows, history, moves, schema, turns, upkeep
from sessions.bundle import export_session, import_session
from sessions.bundle_pixels import png_shape
from sessions.erase import delete_session
from sessions.errors import BlobDamaged, NameTaken, NotFound, Refused, SchemaTooNew, StorageError, StorageFull
from sessions.files import Files
from sessions.fsck import fsck
from sessions.identity import canonical, new_id, picture_hash, revision_id, tile_hash
from sessions.store import Store
from sessions.tiles import encode
from tests import making
from tests.fixtures.remake import told
from tests.making import Made


@pytest.fixture
def made(made, store) -> Made:
    turns.finish(store, turns.get(store, made.session, "ask"), "done", {}, "Done.")
    return made


@pytest.fixture
def packed(store, made) -> Path:
    path = store.home.parent / "cat.zip"
    export_session(store, made.session, path)
    return path


def contents(store: Store) -> tuple[list[int], list[str]]:
    """How many rows each table has, and every file."""
    with store.database.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in schema.metadata.sorted_tables
        ]
    files = [str(p.relative_to(store.home)) for p in store.home.rglob("*") if not p.name.startswith("sessions.db")]
    return counts, sorted(files)


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


# Tampered with

Tables = dict[str, list[dict[str, Any]]]


class Crafted:
    """A bundle taken apart, to be put together again with all its hashes and counts right."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as opened:
            members = {name: opened.read(name) for name in opened.namelist()}
        self.manifest = json.loads(members.pop("manifest.json"))
        self.blobs = {name.removeprefix("blobs/"): data for name, data in members.items() if name.startswith("blobs/")}
        self.tables: Tables = {
            name.removesuffix(".jsonl"): [json.loads(line) for line in data.splitlines()]
            for name, data in members.items()
            if name.endswith(".jsonl")
        }
        self.more: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        name = hashlib.sha256(data).hexdigest()
        self.blobs[name] = data
        return name

    def write(self, path: Path) -> Path:
        texts = {f"{name}.jsonl": b"".join(canonical(r) + b"\n" for r in rows) for name, rows in self.tables.items()}
        usual = {
            "rows": {name: len(rows) for name, rows in self.tables.items()},
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in texts.items()},
            "blobs": len(self.blobs),
            "bytes": sum(map(len, self.blobs.values())),
        }
        blobs = {f"blobs/{name}": data for name, data in self.blobs.items()}
        manifest = {"manifest.json": canonical(usual | self.manifest) + b"\n"}
        with zipfile.ZipFile(path, "w") as opened:
            for name, data in (texts | blobs | self.more | manifest).items():
                opened.writestr(zipfile.ZipInfo(name), data)
        return path


@pytest.fixture(scope="session")
def sent(patterns, tmp_path_factory) -> Path:
    """A bundle from SQLite: those from PostgreSQL are the same, and it is read on SQLite too."""
    pattern, folder = patterns.of("sqlite", True), tmp_path_factory.mktemp("sent")
    path = folder / "sent.zip"
    with closing(Store(pattern.copied(folder))) as store:
        turns.finish(store, turns.get(store, pattern.made.session, "ask"), "done", {}, "Done.")
        export_session(store, pattern.made.session, path)
    return path


@pytest.fixture
def crafted(sent) -> Crafted:
    found = Crafted(sent)
    for name in ("rows", "sha256", "blobs", "bytes"):
        del found.manifest[name]
    return found


def refused(elsewhere: Store, path: Path) -> Refused:
    before = contents(elsewhere)
    with pytest.raises(Refused) as info:
        import_session(elsewhere, path)
    assert contents(elsewhere) == before
    assert str(info.value).count(".") >= 2 and "\n" not in str(info.value)
    return info.value


def test_what_was_only_put_together_again_is_taken_in(crafted, elsewhere, tmp_path):
    """So that the refusals below are of what is wrong in them."""
    assert import_session(elsewhere, crafted.write(tmp_path / "x.zip")).seq == 9


def new_root(c: Crafted, image: str, width: int, height: int) -> None:
    """One more root, its id right, its picture as the row of `pictures` says."""
    last = c.tables["revisions"][-1]
    identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    fresh = {"parent": None, "parent2": None, "step": None, "geometry": None, "mask": None, "turn": None}
    fresh |= {"id": revision_id((), None, tuple(identity), image, None), "seq": len(c.tables["revisions"]) + 1}
    c.tables["revisions"].append(last | fresh | {"image": image, "width": width, "height": height, "source": "upload"})


def add_picture(c: Crafted, width: int, height: int, tiles: list[str], mode: str = "RGB") -> None:
    image = picture_hash(mode, width, height, tiles)
    c.tables["pictures"].append(
        {"hash": image, "mode": mode, "width": width, "height": height, "tiles": "".join(tiles)}
    )
    new_root(c, image, width, height)


def add_tile(c: Crafted, data: bytes, name: str) -> None:
    row = {"hash": name, "blob": c.put(data), "offset": 0, "length": len(data), "codec": "png"}
    c.tables["tiles"].append(row)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, raw: bytes, more: bytes = b"", interlaced: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    )


def a_tile(c: Crafted, data: bytes, size: tuple[int, int] = (5, 4)) -> None:
    """A picture of one tile whose encoded bytes are these; its hash is that of black pixels."""
    name = tile_hash(np.zeros((size[1], size[0], 3), np.uint8))
    add_tile(c, data, name)
    add_picture(c, *size, [name])


def sound_tile(c: Crafted) -> None:
    a_tile(c, encode(np.zeros((4, 5, 3), np.uint8)))


def set_cell(table: str, column: str, value: Any, row: int = -1) -> Callable[[Crafted], None]:
    def change(c: Crafted) -> None:
        c.tables[table][row][column] = value

    return change


def cycle(c: Crafted) -> None:
    """Each of two revisions has the other as its parent."""
    one, other = c.tables["revisions"][1:3]
    one["parent"], other["parent"] = other["id"], one["id"]


def swapped(c: Crafted) -> None:
    rows = c.tables["revisions"]
    rows[0], rows[1] = rows[1] | {"seq": 1}, rows[0] | {"seq": 2}


def deep(c: Crafted) -> None:
    nested: Any = 0
    for _ in range(900):
        nested = [nested]
    c.tables["turns"][0]["plan"] = {"steps": nested}


def tile_of(index: int) -> Callable[[Crafted], None]:
    """A tile's row names the tile of another place."""

    def change(c: Crafted) -> None:
        rows = c.tables["tiles"]
        other = next(r for r in rows if r["hash"] != rows[index]["hash"] and r["length"] != rows[index]["length"])
        rows[index] |= {key: other[key] for key in ("blob", "offset", "length")}

    return change


ROW_TAMPERS: dict[str, Callable[[Crafted], None]] = {
    "a picture that is not in the bundle": set_cell("revisions", "image", "0" * 64),
    "parents in a circle": cycle,
    "its own parent": lambda c: c.tables["revisions"][0].update(parent=c.tables["revisions"][0]["id"]),
    "a child before its parent": swapped,
    "a parent that is not there": set_cell("revisions", "parent", "r1:" + "0" * 64),
    "a head that is not there": set_cell("branches", "head", "r1:" + "0" * 64),
    "a head where no move went": lambda c: c.tables["branches"][0].update(head=c.tables["revisions"][0]["id"]),
    "a tag on nothing": set_cell("tags", "revision", "r1:" + "0" * 64),
    "a tag with a branch's name": set_cell("tags", "name", "main"),
    "a branch's name that escapes": set_cell("branches", "name", "../../x"),
    "a tag that means something else": set_cell("tags", "name", "head"),
    "a session in a row": set_cell("revisions", "session", "0" * 32),
    "an owner in a row": set_cell("assets", "owner", "me"),
    "a column too few": lambda c: c.tables["turns"][0].pop("outcome"),
    "a lease": set_cell("turns", "lease", "me"),
    "an open turn": set_cell("turns", "state", "running"),
    "an unknown state": set_cell("turns", "state", "flying"),
    "a number for a text": set_cell("messages", "text", 5),
    "a text for a number": set_cell("revisions", "width", "24"),
    "a truth for a number": set_cell("branches", "version", True),
    "a list for an object": set_cell("revisions", "facts", []),
    "nothing where something must be": set_cell("revisions", "facts", None),
    "an endless number": lambda c: c.tables["revisions"][1]["step"].update(seed=10**400),
    "a number beyond the column": set_cell("branches", "version", 2**40),
    "eight numbers of geometry": set_cell("revisions", "geometry", [1.0] * 8),
    "a step of other types": lambda c: c.tables["revisions"][1]["step"].update(subjects="abc"),
    "a step with more in it": lambda c: c.tables["revisions"][1]["step"].update(more=1),
    "a step with other arguments": lambda c: c.tables["revisions"][1]["step"].update(args={"amount": 0.6}),
    "an attachment that is no name": set_cell("messages", "attachments", [["x"]]),
    "an attachment that is not there": set_cell("messages", "attachments", ["0" * 64]),
    "a path for a hash": set_cell("tiles", "blob", "../../../../etc/passwd"),
    "a zero in a text": set_cell("messages", "text", "a\0b"),
    "a size that is not the picture's": set_cell("revisions", "width", 25),
    "a number left out": lambda c: c.tables["revisions"][-1].update(seq=12),
    "nested deeply": deep,
    "a tile that decodes to another": tile_of(0),
    "a tile beyond its file": set_cell("tiles", "offset", 10**8),
    "a tile as long as memory": set_cell("tiles", "length", 2**30),
    "a codec nobody knows": set_cell("tiles", "codec", "exe"),
    "a redo of what comes later": set_cell("moves", "inverts", 17, row=0),
    "a rename from nowhere": set_cell("moves", "old_name", "x"),
    "moves that skip": set_cell("moves", "id", 99),
    "a file nobody names": lambda c: c.put(b"smuggled"),
    "a file that is missing": lambda c: c.blobs.pop(min(c.blobs)),
    "a picture larger than any": lambda c: c.tables["pictures"][0].update(width=10**6, height=10**6),
    "a table emptied": lambda c: c.tables["moves"].clear(),
    "a table left out": lambda c: c.tables.pop("tags"),
    "a table more": lambda c: c.tables.update(sessions=[]),
    "a picture of pixels it has no tiles for": lambda c: add_picture(
        c, 16_000, 4_000, [c.tables["pictures"][0]["tiles"][:64]]
    ),
    "a tile of another size than its place": lambda c: add_picture(
        c, 500, 400, [c.tables["pictures"][0]["tiles"][:64]]
    ),
    "a tile of one shade in a picture of three": lambda c: (
        add_tile(c, encode(np.zeros((4, 5), np.uint8)), tile_hash(np.zeros((4, 5), np.uint8))),
        add_picture(c, 5, 4, [tile_hash(np.zeros((4, 5), np.uint8))]),
    ),
    "a tile that grows": lambda c: a_tile(c, png(5, 4, bytes(50_000_000))),
    "a tile with too few pixels": lambda c: a_tile(c, png(5, 4, bytes(32))),
    "a tile of a billion pixels": lambda c: a_tile(c, png(30_000, 30_000, bytes(100))),
    "a tile with words in it": lambda c: a_tile(c, png(5, 4, bytes(64), chunk(b"tEXt", b"Comment\0hello"))),
    "an interlaced tile": lambda c: a_tile(c, png(5, 4, bytes(64), interlaced=1)),
    "a tile that is a JPEG": lambda c: a_tile(c, b"\xff\xd8\xff" + bytes(100)),
    "a tile cut short": lambda c: a_tile(c, encode(np.zeros((4, 5, 3), np.uint8))[:-5]),
}


@pytest.mark.parametrize("name", ROW_TAMPERS)
def test_rows_that_are_not_as_they_should_be(crafted, elsewhere, tmp_path, name):
    ROW_TAMPERS[name](crafted)
    refused(elsewhere, crafted.write(tmp_path / "x.zip"))


@pytest.mark.parametrize("size", [(512, 512), (513, 1), (1, 513)])
def test_a_tile_is_never_larger_than_its_place(size):
    data = png(*size, bytes(size[1] * (1 + 3 * size[0])))
    if max(size) > 512:
        with pytest.raises(ValueError, match="tile"):
            png_shape(data)
    else:
        assert png_shape(data) == (512, 512, 3)


def test_a_root_more_is_refused_only_for_what_is_wrong_with_its_tile(crafted, elsewhere, tmp_path):
    """The tampered tiles above come with a revision that is right in everything else."""
    sound_tile(crafted)
    assert import_session(elsewhere, crafted.write(tmp_path / "x.zip")).seq == 10


def test_lines_that_are_not_written_as_pentimento_writes_them(crafted, elsewhere, tmp_path):
    """JSON that says the same in other bytes, or that only some parsers take."""
    line = canonical(crafted.tables["messages"][0])
    for other in (
        line.replace(b":", b": ", 1),
        b'{"id":1,' + line[1:],
        line.replace(b'"text":"', b'"text":"\\ud800'),
        b"[" * 100_000,
        b"NaN",
        b"1" * 5000,
        b"",
        b"\xff\xfe",
        line + b" " * bundle_rows.LINE,
    ):
        crafted.tables.pop("messages", None)
        crafted.more = {"messages.jsonl": other + b"\n"}
        crafted.manifest |= {"rows": None, "sha256": None}
        path = crafted.write(tmp_path / "x.zip")
        with zipfile.ZipFile(path) as opened:
            texts = {name: opened.read(name) for name in opened.namelist() if name.endswith(".jsonl")}
        crafted.manifest |= {
            "rows": {name.removesuffix(".jsonl"): data.count(b"\n") for name, data in texts.items()},
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in texts.items()},
        }
        assert "messages" in str(refused(elsewhere, crafted.write(path)))


MANIFESTS = [
    {"format": "other"}, {"session": "../../../x"}, {"session": "A" * 32}, {"session": None}, {"name": 5},
    {"name": "x" * 10**5}, {"rows": {"revisions": 9}}, {"rows": []}, {"sha256": {}}, {"sha256": "x"},
    {"blobs": 10**9}, {"bytes": "many"}, {"bytes": 1}, {"owner": "me"}, {"version": "1"},
]  # fmt: skip


@pytest.mark.parametrize("change", MANIFESTS)
def test_manifests_that_are_not_as_they_should_be(crafted, elsewhere, tmp_path, change):
    crafted.manifest |= change
    refused(elsewhere, crafted.write(tmp_path / "x.zip"))


@pytest.mark.parametrize("change", [{"version": 2}, {"schema": "9999"}])
def test_what_a_newer_version_wrote_says_so(crafted, elsewhere, tmp_path, change):
    crafted.manifest |= change
    with pytest.raises(SchemaTooNew):
        import_session(elsewhere, crafted.write(tmp_path / "x.zip"))
    assert contents(elsewhere)[1] == []


@pytest.mark.parametrize("name", ["../x", "/etc/x", "blobs/../x", "blobs/" + "A" * 64, "x.txt", "blobs/", "a/b.jsonl"])
def test_members_of_other_names(crafted, elsewhere, tmp_path, name):
    crafted.more[name] = b""
    refused(elsewhere, crafted.write(tmp_path / "x.zip"))


def rewritten(packed: Path, path: Path, change: Callable[[zipfile.ZipInfo], zipfile.ZipInfo], twice: str = "") -> Path:
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(path, "w") as new:
        for about in old.infolist():
            data = old.read(about.filename)
            new.writestr(change(about), data)
            if about.filename == twice:
                with warnings.catch_warnings(action="ignore"):
                    new.writestr(zipfile.ZipInfo(about.filename), data)
    return path


def compressed(about: zipfile.ZipInfo) -> zipfile.ZipInfo:
    about.compress_type = zipfile.ZIP_DEFLATED
    return about


def linked(about: zipfile.ZipInfo) -> zipfile.ZipInfo:
    about.external_attr = (stat.S_IFLNK | 0o777) << 16
    return about


def test_members_of_other_kinds(sent, elsewhere, tmp_path):
    refused(elsewhere, rewritten(sent, tmp_path / "compressed.zip", compressed))
    refused(elsewhere, rewritten(sent, tmp_path / "linked.zip", linked))
    for name in ("manifest.json", "revisions.jsonl"):
        refused(elsewhere, rewritten(sent, tmp_path / "twice.zip", lambda about: about, twice=name))


def test_a_bundle_cut_short_anywhere(sent, elsewhere, tmp_path):
    data, path = sent.read_bytes(), tmp_path / "x.zip"
    for length in [*range(0, len(data), len(data) // 40), len(data) - 1]:
        path.write_bytes(data[:length])
        refused(elsewhere, path)


def test_flipped_bits(sent, elsewhere, tmp_path):
    """Where a flip falls into what no reader looks at, the session is the same; nothing else is ever taken in."""
    data, path, dice = sent.read_bytes(), tmp_path / "x.zip", random.Random(1)
    taken = 0
    for _ in range(150):
        place = dice.randrange(len(data))
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :])
        try:
            session = import_session(elsewhere, path).id
        except Refused:
            continue
        taken += 1
        export_session(elsewhere, session, tmp_path / "back.zip")
        assert (tmp_path / "back.zip").read_bytes() == data, place
        (tmp_path / "back.zip").unlink()
        delete_session(elsewhere, session)
    assert taken < 15
    assert contents(elsewhere)[0] == [0] * len(schema.metadata.sorted_tables)


def test_a_directory_of_more_members_than_memory_holds(sent, elsewhere, tmp_path):
    data, path = sent.read_bytes(), tmp_path / "x.zip"
    end = data.rindex(b"PK\5\6")
    path.write_bytes(data[: end + 12] + struct.pack("<I", 2**31) + data[end + 16 :])
    assert "members" in str(refused(elsewhere, path))


def test_what_is_no_bundle_at_all(elsewhere, tmp_path):
    (tmp_path / "photo.png").write_bytes(encode(np.zeros((4, 5, 3), np.uint8)))
    (tmp_path / "empty.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "nothing.zip", "w"):
        pass
    os.mkfifo(tmp_path / "pipe")
    for name in ("photo.png", "empty.zip", "nothing.zip", "pipe", "not-there.zip", "."):
        refused(elsewhere, tmp_path / name)
