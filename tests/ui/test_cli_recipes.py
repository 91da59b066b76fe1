"""`recipe` and `replay` on real files: results, reports, what is never overwritten, and going on after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from agent.assistant import Assistant
from agent.events import Finished, Working
from agent.recipe_files import enclosing, pictures_of
from agent.recipes import Recipe, recipe_of
from sessions import history
from sessions.sniff import HEAD, sniff
from sessions.store import Store
from tests import terminal
from tests.agent.conftest import ScriptedPlanner, png
from ui import batch
from ui.batch import Order, Report, Row, beside, photos_of, run
from ui.cli import main

ROOT = Path(__file__).parents[2]
STEPS = [
    {"tool": "adjust", "args": {"temperature": 0.3}},
    {"tool": "blur", "region": {"words": "the top half"}},
    {"tool": "flip", "args": {"axis": "horizontal"}},
]
PURPLE = {"tool": "sharpen", "region": {"words": "the purple parts"}}


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def recipe(store) -> Recipe:
    """Made on a photo that has something purple in it; most have not."""
    small = data.astronaut()[:90, :80].copy()
    small[50:80, 20:60] = (128, 0, 160)
    assistant = Assistant(store, ScriptedPlanner())
    session = assistant.new(("astronaut.png", png(small)))[0].id
    *_, finished = assistant.turn(session, json.dumps({"steps": [*STEPS[:2], PURPLE, STEPS[2]]}))
    if finished.state == "waiting":
        *_, finished = assistant.turn(session, "yes")
    assert finished.state == "done"
    graph = history.graph(store, session)
    return recipe_of(graph, graph.head)


def without(recipe, at):
    return recipe.model_copy(update={"steps": recipe.steps[:at] + recipe.steps[at + 1 :]})


@pytest.fixture
def plain(recipe) -> Recipe:
    """Only what can be done on every photo."""
    return without(recipe, 2)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three photos, each in a format of its own, and what else lies about."""
    made = tmp_path / "photos"
    made.mkdir()
    Image.fromarray(data.chelsea()[100:180, 100:200]).save(made / "cat.JPG", "JPEG", quality=95)
    Image.fromarray(data.coffee()[:90, :70]).save(made / "cup.png")
    Image.fromarray(data.rocket()[:60, :90]).save(made / "rocket.webp", quality=95)
    (made / "notes.txt").write_text("not a photo")
    (made / ".hidden.jpg").write_bytes(b"")
    return made


def done(store, recipe, *targets, out=None, strict=False) -> Report:
    report = Report(Order(recipe, {}, photos_of(targets), out or beside(targets[0]), strict))
    list(run(store, report))
    return report


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_photo_becomes_a_session_and_a_file_in_its_own_format(store, plain, folder):
    before = contents(folder)
    report = done(store, plain, folder)
    assert report.whole
    assert contents(folder) == before, "the originals are untouched"
    out = folder.with_name("photos-edited")
    kinds = {name: sniff(data[:HEAD]) for name, data in contents(out).items() if not name.startswith("replay-")}
    assert kinds == {"cat.JPG": "image/jpeg", "cup.png": "image/png", "rocket.webp": "image/webp"}
    names = {session.name for session in store.sessions()}
    assert {"cat.JPG", "cup.png", "rocket.webp"} <= names
    cup = next(row for row in report.rows if row.photo.endswith("cup.png"))
    made = store.picture(cup.session, store.revision(cup.session, cup.revision).image).pixels
    assert np.array_equal(cv2.imread(str(out / "cup.png"))[..., ::-1], made)


def test_the_report_says_what_was_left_out_and_what_was_refused(store, recipe, folder):
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a photo")
    report = done(store, recipe, folder)
    assert not report.whole
    written = json.loads(report.stem.with_suffix(".json").read_text())
    states = {Path(row["photo"]).name: row["state"] for row in written["photos"]}
    assert states == {"broken.jpg": "refused", "cat.JPG": "partly", "cup.png": "partly", "rocket.webp": "partly"}
    assert (written["partly"], written["refused"], written["whole"]) == (3, 1, 0)
    steps = written["photos"][1]["steps"]
    assert [bool(step["why"]) for step in steps] == [False, False, True, False]
    table = report.stem.with_suffix(".txt").read_text()
    assert table.count("left out: 3 sharpen: ") == 3
    assert "broken.jpg" in table and "cannot be read" in table


def test_strict_writes_no_file_for_a_photo_on_which_a_step_cannot_be_done(store, recipe, folder):
    report = done(store, recipe, folder, strict=True)
    assert {row.state for row in report.rows} == {"stopped"}
    assert not [path for path in report.order.out.iterdir() if not path.name.startswith("replay-")]


def test_where_nothing_could_be_done_no_file_pretends_that_it_was(store, recipe, folder):
    report = done(store, recipe.model_copy(update={"steps": recipe.steps[2:3]}), folder)
    assert {row.state for row in report.rows} == {"nothing"}
    assert all(row.result is None for row in report.rows)


def test_done_again_it_works_nothing_out_and_changes_no_file(store, recipe, folder):
    first = done(store, recipe, folder)
    before = contents(first.order.out)
    report = Report(first.order)
    events = list(run(store, report))
    assert not [event for event in events if isinstance(event, Working | Finished)]
    assert report.rows == first.rows
    assert contents(first.order.out) == before


def test_a_file_of_somebody_else_is_left_as_it_is(store, plain, folder):
    out = folder.with_name("photos-edited")
    out.mkdir()
    (out / "cup.png").write_bytes(b"mine")
    report = done(store, plain, folder)
    row = next(row for row in report.rows if row.photo.endswith("cup.png"))
    assert (row.state, row.result) == ("refused", None)
    assert "--out" in row.why
    assert (out / "cup.png").read_bytes() == b"mine"
    assert done(store, plain, folder, out=folder).rows[0].state == "refused", "not the originals either"


def test_other_photos_into_the_same_folder_leave_the_earlier_report(store, plain, folder):
    out = folder.with_name("out")
    first = done(store, plain, folder / "cup.png", out=out)
    told = first.stem.with_suffix(".txt").read_text()
    other = done(store, plain, folder / "cat.JPG", out=out)
    assert first.stem.with_suffix(".txt").read_text() == told
    assert "cat.JPG" in other.stem.with_suffix(".txt").read_text()
    again = done(store, plain, folder / "cup.png", out=out)
    assert again.stem == first.stem, "the same call has one report"


@pytest.mark.parametrize("after", [1, 4, 9])
def test_stopped_it_writes_a_report_and_goes_on_without_doing_a_photo_twice(store, plain, folder, after):
    whole = done(store, plain, folder, out=folder.with_name("expected"))
    expected = contents(whole.order.out)
    other = Store(store.home.with_name("other"))
    report = Report(Order(plain, {}, photos_of([folder]), folder.with_name("out")))
    going = run(other, report)
    for _ in range(after):
        next(going)
    going.close()
    assert report.stem.with_suffix(".json").exists()
    again = done(other, plain, folder, out=folder.with_name("out"))
    assert [row.revision for row in again.rows] == [row.revision for row in whole.rows]
    assert len(other.sessions()) == 3
    made = contents(folder.with_name("out"))
    assert {name: made[name] for name in made if "replay" not in name} == {
        name: expected[name] for name in expected if "replay" not in name
    }
    for session in other.sessions():
        tools = [revision.tool for revision in history.graph(other, session.id).revisions]
        assert tools == ["upload", "adjust", "blur", "flip"]
    other.close()


def test_what_we_open_but_do_not_write_becomes_a_jpeg_beside_its_name(store, plain, tmp_path):
    folder = tmp_path / "phone"
    folder.mkdir()
    Image.fromarray(data.coffee()[:60, :80]).save(folder / "cup.avif")
    report = done(store, plain, folder)
    assert [Path(row.result).name for row in report.rows] == ["cup.avif.jpg"]


def test_every_line_of_the_table_fits_a_photo():
    row = Row("photos/cat.jpg", "refused", why="It is damaged.")
    assert list(batch.lines(row)) == ["cat.jpg                      refused    It is damaged."]


# As processes


@pytest.fixture
def environment(tmp_path):
    return os.environ | {"PENTIMENTO_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def cli(environment, tmp_path):
    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess:
        done = terminal.run(main, list(words), environment, tmp_path)
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return done

    return run


def test_a_recipe_as_lines_and_as_a_file_and_replayed_on_files_and_revisions(cli, folder, tmp_path):
    cli("new", str(folder / "cup.png"))
    cli("say", "make it a little warmer and flip it horizontally")
    said = cli("recipe").stdout.splitlines()
    assert [line.split()[1] for line in said[1:]] == ["adjust", "flip"]
    written = json.loads(cli("recipe", "--out", "warm.json", "--json").stdout)
    assert json.loads((tmp_path / "warm.json").read_text()) == written
    (tmp_path / "mine.json").write_text("mine")
    assert "--force" in cli("recipe", "--out", "mine.json", code=1).stderr
    assert (tmp_path / "mine.json").read_text() == "mine"
    cli("recipe", "--out", "mine.json", "--force")
    assert json.loads((tmp_path / "mine.json").read_text())["steps"]
    replayed = cli("replay", "warm.json", "#1", "#3").stdout
    assert "warmer → #3" in replayed, "on its own photo it makes nothing new"
    assert "warmer → #5" in replayed
    log = json.loads(cli("log", "--json").stdout)["revisions"]
    assert [(r["seq"], r["source"]) for r in log][:2] == [(5, "replay"), (4, "replay")]
    table = cli("replay", "#3", "photos/cat.JPG", "photos", "--out", "done").stdout
    assert table.splitlines()[-1].startswith("3 of 3 photos whole")
    assert (tmp_path / "done" / "cat.JPG").exists()
    assert "warmer → #5" in cli("undo").stdout + cli("redo").stdout, "the conversation is still the default one"


def test_what_is_wrong_is_a_sentence_and_exit_code_1(cli, folder, tmp_path):
    (tmp_path / "bad.json").write_text('{"steps": []}')
    assert "This is not a recipe" in cli("replay", "bad.json", "photos", code=1).stderr
    assert "cannot be read" in cli("replay", "nothing.json", "photos", code=1).stderr
    cli("new", str(folder / "cup.png"))
    assert "no steps to do again" in cli("recipe", code=1).stderr
    assert json.loads(cli("recipe", "--json", code=1).stdout)["error"]["code"] == "not_found"


@pytest.mark.reliability
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_or_interrupted_the_same_command_goes_on(cli, environment, store, plain, folder, tmp_path, how):
    enclosed = enclosing(plain, pictures_of(store, store.sessions()[0].id, plain))
    (tmp_path / "plain.json").write_text(enclosed.model_dump_json())
    shutil.copy(folder / "cup.png", folder / "zebra.png")
    command = [sys.executable, "-m", "ui.cli", "replay", "plain.json", "photos"]
    with subprocess.Popen(
        command, env=environment | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout.readline().startswith("cat.JPG")
        process.send_signal(how)
    assert process.returncode in (130, -9)
    ended = cli("replay", "plain.json", "photos", "--json")
    report = json.loads(ended.stdout)
    assert report["whole"] == 4
    assert len(list((tmp_path / "photos-edited").glob("*"))) == 6
    sessions = {row["session"] for row in report["photos"]}
    assert len(sessions) == 3, "the same picture twice is one session"
    for session in sessions:
        assert len(history.graph(store, session).revisions) == 4
