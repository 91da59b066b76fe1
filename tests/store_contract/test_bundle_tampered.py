"""A bundle that somebody has tampered with: nothing at all of it is taken in, but what was only written otherwise."""

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
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import plan
from sessions import bundle_json, bundle_rows, schema, turns
from sessions.bundle import export_session, import_session
from sessions.bundle_pixels import png_shape
from sessions.erase import delete_session
from sessions.errors import Refused, SchemaTooNew
from sessions.identity import canonical, picture_hash, revision_id, tile_hash
from sessions.store import Store
from sessions.tiles import encode
from sessions.values import IDENTITY, Step
from tests.making import contents


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.reliability)])
def engine(request) -> str:
    """What is wrong with a file is found before a database is asked, so one of them is enough for every day."""
    return request.param


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


def last_tool(c: Crafted, tool: str) -> None:
    """The newest step is by another tool, and its revision has the id that goes with it."""
    row = next(r for r in reversed(c.tables["revisions"]) if r["step"])
    step = replace(Step.from_json(row["step"]), tool=tool)
    row["step"] = step.to_json()
    new = revision_id((row["parent"],), step, row["geometry"] or IDENTITY, row["image"], row["mask"])
    c.tables = json.loads(json.dumps(c.tables).replace(row["id"], new))


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
    "a control character in a step": lambda c: last_tool(c, "\x1b[31msepia"),
    "more words than a message may have": set_cell("messages", "text", "x" * 4001, row=0),
    "a number for a list of steps": set_cell("revisions", "facts", {"left_out": 5}),
    "numbers for steps": set_cell("revisions", "facts", {"already": [5]}),
    "a word for a confidence": set_cell("revisions", "facts", {"confidence": "very"}),
    "more than sure": set_cell("revisions", "facts", {"confidence": 1.5}),
    "a word for a time": set_cell("revisions", "facts", {"seconds": "many"}),
    "a number for the date of a photo": set_cell("assets", "facts", {"taken_at": 5}),
    "a plan that is none": set_cell("turns", "plan", {"nonsense": 1}),
    "a plan of numbers": set_cell("turns", "plan", {"steps": [5]}),
    "a plan for a tool without a name": set_cell("turns", "plan", {"steps": [{"tool": None}]}),
    "a plan about a place that is none": set_cell("turns", "plan", {"steps": [{"tool": "x", "region": {"words": 5}}]}),
    "a number for a reply": set_cell("turns", "outcome", {"reply": 5}),
    "an error without words": set_cell("turns", "outcome", {"error": {"code": "edit"}}),
    "numbers for files": set_cell("turns", "outcome", {"files": [1]}),
    "a step about two places": lambda c: c.tables["revisions"][1]["step"].update(region={"words": "x", "mask": "y"}),
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
    {"rows": {"revisions": 10**30}}, {"rows": {"revisions": 9}}, {"rows": []}, {"sha256": {}}, {"sha256": "x"},
    {"blobs": 10**9}, {"bytes": "many"}, {"bytes": 1}, {"owner": "me"}, {"version": "1"},
]  # fmt: skip


@pytest.mark.parametrize("change", MANIFESTS)
def test_manifests_that_are_not_as_they_should_be(crafted, elsewhere, tmp_path, change):
    crafted.manifest |= change
    refused(elsewhere, crafted.write(tmp_path / "x.zip"))


def test_words_that_the_door_would_not_have_taken_are_cleaned(crafted, elsewhere, tmp_path):
    """They may be those of a session from before there was a rule, so that they are no reason to refuse it."""
    hostile = "\x1b]0;owned\x07\0a" + "b" * 3000
    crafted.manifest["name"] = crafted.tables["revisions"][0]["name"] = crafted.tables["assets"][0]["name"] = hostile
    crafted.tables["messages"][0]["text"] = "\x1b[2J hi\n\0there\x9b"
    crafted.tables["turns"][0]["outcome"] = {"reply": "\x1b[2JDone.\x07", "more": ["\0"]}
    session = import_session(elsewhere, crafted.write(tmp_path / "x.zip"))
    name = "]0;owneda" + "b" * 91 + "…" + "b" * 99
    first = elsewhere.revision(session.id, crafted.tables["revisions"][0]["id"])
    asset = elsewhere.asset(session.id, crafted.tables["assets"][0]["sha256"])
    assert session.name == first.name == asset.name == name
    assert "[2J hi\nthere" in [message.text for message in turns.messages(elsewhere, session.id)]
    turn = turns.get(elsewhere, session.id, crafted.tables["turns"][0]["request_id"])
    assert turn.outcome == {"reply": "[2JDone.", "more": [""]}


def test_what_is_known_here_of_plans_is_what_they_are():
    for known, real in ((bundle_json.Plan, plan.Plan), (bundle_json.PlanStep, plan.PlanStep)):
        assert set(known.model_fields) == set(real.model_fields)
    steps = (plan.PlanStep(tool="blur", region={"words": "the sky"}, seed=3), plan.PlanStep(tool="flip"))
    asks = plan.Ask(question="Which?", candidates=(plan.Candidate(label="1", value=5),), slot="steps.0.base")
    whole = plan.Plan(command=plan.Command(name="undo"), steps=steps, then=plan.Command(name="export"), ask=asks)
    assert bundle_json.Plan.model_validate(whole.to_json()).model_dump() == whole.to_json()


def test_a_step_of_another_tool_is_taken_in_where_its_id_is_right(crafted, elsewhere, tmp_path):
    """So that a control character in the tool's name is refused for itself."""
    last_tool(crafted, "sephia")
    assert import_session(elsewhere, crafted.write(tmp_path / "x.zip")).seq == 9


def test_what_an_older_version_wrote_says_so(crafted, elsewhere, tmp_path):
    crafted.manifest["schema"] = "0001"
    assert "older" in str(refused(elsewhere, crafted.write(tmp_path / "x.zip")))


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


@pytest.mark.parametrize("flips", [50, pytest.param(500, marks=pytest.mark.reliability)])
def test_flipped_bits(sent, elsewhere, tmp_path, flips):
    """Where a flip falls into what no reader looks at, the session is the same; nothing else is ever taken in."""
    data, path, dice = sent.read_bytes(), tmp_path / "x.zip", random.Random(1)
    taken = 0
    for _ in range(flips):
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
    assert taken < flips / 10
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
