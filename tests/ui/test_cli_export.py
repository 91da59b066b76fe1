"""`export` and `import` at the command line: what is written where, what is printed, what is never written over."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from sessions.errors import NameTaken, StorageError
from ui import pictures
from ui.cli import app


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """The command line in this process, in a folder of its own; gives the object of `--json`, or what was printed."""
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*words: str, code: int = 0):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if "--json" in words else done.output

    return run


@pytest.fixture
def photo(tmp_path, cli) -> Path:
    """A session that begins with the cat, mirrored."""
    path = tmp_path / "cat.jpg"
    Image.fromarray(data.chelsea()).save(path, quality=92)
    cli("new", str(path))
    cli("say", "flip it horizontally")
    return path


def test_a_picture_is_written_beside_us_and_described(cli, photo):
    said = cli("export", "--quality", "85")
    assert said.startswith("cat-2.jpg   451×300   ")
    assert "kB   quality 85" in said
    with Image.open("cat-2.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (451, 300))
    assert sorted(Path().iterdir()) == [Path("cat-2.jpg")]


def test_json_says_all_of_it(cli, photo):
    made = cli("export", "#1", "--format", "webp", "--max-bytes", "14kB", "--keep", "date", "--json")
    assert made["file"] == "cat-1.webp"
    assert made["bytes"] == Path("cat-1.webp").stat().st_size <= 14_000
    assert (made["media_type"], made["width"], made["height"]) == ("image/webp", 451, 300)
    assert made["notes"] == ["The photo carries no date."]
    assert made["revision"].startswith("r1:")


def test_the_ending_names_the_format_and_a_folder_takes_the_usual_name(cli, photo, tmp_path):
    cli("export", "--out", "small.png", "--size", "50%")
    with Image.open("small.png") as image:
        assert (image.format, image.size) == ("PNG", (226, 150))
    folder = tmp_path / "there"
    folder.mkdir()
    cli("export", "--out", str(folder), "--format", "tiff")
    assert (folder / "cat-2.tiff").exists()
    assert "does not end" in cli("export", "--out", "x.png", "--format", "jpeg", code=1)
    assert ".webp" in cli("export", "--out", "x", code=1)
    assert "jpeg" in cli("export", "--out", "x.gif", code=1)


def test_no_file_is_written_over_unless_forced(cli, photo):
    Path("cat-2.jpg").write_bytes(b"mine")
    assert "--force" in cli("export", code=1)
    assert Path("cat-2.jpg").read_bytes() == b"mine"
    cli("export", "--force")
    assert Path("cat-2.jpg").read_bytes().startswith(b"\xff\xd8")
    Path("shown.png").write_bytes(b"mine")
    cli("show", "--out", "shown.png", code=1)
    assert Path("shown.png").read_bytes() == b"mine"


def test_the_original_comes_back_as_it_was(cli, photo):
    made = cli("export", "--original", "--json")
    assert (made["file"], made["media_type"]) == ("cat.jpg", "image/jpeg")
    assert Path("cat.jpg").read_bytes() == photo.read_bytes()
    assert "without other options" in cli("export", "--original", "--quality", "3", "--force", code=1)


@pytest.mark.parametrize(
    "words",
    [
        ("--quality", "0"),
        ("--quality", "best"),
        ("--max-bytes", "10"),
        ("--size", "huge"),
        ("--keep", "location"),
        ("#99",),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_no_file(cli, photo, words):
    failed = cli("export", *words, "--json", code=1)
    assert failed["error"]["hint"]
    assert not list(Path().iterdir())


def test_a_bundle_goes_out_and_comes_in_again(cli, photo, tmp_path, monkeypatch):
    wrote = cli("export", "--bundle", "trip.zip", "--json")
    assert wrote["bytes"] == Path("trip.zip").stat().st_size
    assert cli("export", "--bundle", "trip.zip", code=1)
    before = cli("log", "--all", "--json")
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "elsewhere"))
    session = cli("import", "trip.zip", "--json")["session"]
    assert session == wrote["session"]
    after = cli("log", "--all", "--json", "-s", session)
    assert [r["id"] for r in after["revisions"]] == [r["id"] for r in before["revisions"]]
    assert "cat.jpg" in cli("export", "--original", "--json")["file"]
    Path("not.zip").write_bytes(b"PK no")
    assert cli("import", "not.zip", "--json", code=1)["error"]["code"]


def test_a_disk_that_refuses_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError):
        pictures.save(b"picture", tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_free_names(tmp_path):
    path = tmp_path / "a.jpg"
    assert pictures.free(path) == path
    pictures.save(b"1", path)
    pictures.save(b"2", pictures.free(path))
    assert pictures.free(path).name == "a-3.jpg"
    assert [file.read_bytes() for file in sorted(tmp_path.iterdir())] == [b"2", b"1"]
    with pytest.raises(NameTaken):
        pictures.save(b"3", path)


def test_what_is_exported_is_the_revision(cli, photo):
    cli("export", "head", "--out", "a.png")
    pixels = np.asarray(Image.open(io.BytesIO(Path("a.png").read_bytes())))
    cli("export", "original", "--out", "b.png")
    assert np.array_equal(pixels[:, ::-1], np.asarray(Image.open("b.png")))


def test_a_file_that_is_asked_for_in_words_is_written_where_we_are(cli, photo):
    said = cli("say", "crop it square and save it as a webp at quality 70")
    assert "then export" in said
    assert "cat-3.webp   300×300" in said
    with Image.open("cat-3.webp") as image:
        assert image.size == (300, 300)
    again = cli("say", "save it as a webp at quality 70", "--json")
    assert (again["files"], again["state"], again["revisions"]) == (["cat-3-2.webp"], "done", [])
    assert Path("cat-3-2.webp").read_bytes() == Path("cat-3.webp").read_bytes()


def test_a_file_in_words_that_cannot_be_is_a_sentence_and_the_edit_stays(cli, photo):
    assert "too few" in cli("say", "make it black and white and save it as a png under 1 kB", code=1)
    assert cli("log", "--json")["revisions"][0]["tool"] == "monochrome"
    assert not list(Path().iterdir())


def test_tags_are_shown_wherever_history_is(cli, photo):
    tagged = cli("show", "#1", "--json")["id"]
    cli("tag", "first", "#1")
    assert "[first]" in next(line for line in cli("graph").splitlines() if "#1" in line)
    assert "[first]" not in next(line for line in cli("graph").splitlines() if "#2" in line)
    assert [line.endswith("[first]") for line in cli("log").splitlines()] == [False, True]
    assert "tag     first" in cli("show", "first")
    assert cli("show", "#1", "--json")["tags"] == ["first"]
    assert cli("graph", "--json")["tags"] == cli("log", "--json")["tags"] == {"first": tagged}
