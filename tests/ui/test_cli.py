"""The command line as processes: what it prints, what `--json` gives, its exit codes, its start-up time's causes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from sessions.__main__ import main as operate
from tests import terminal
from ui.cli import main

ROOT = Path(__file__).parents[2]
WAIT = 60


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    Image.fromarray(data.chelsea()).save(path)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"PENTIMENTO_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def cli(environment):
    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess:
        done = terminal.run(main, list(words), environment, ROOT)
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return done

    return run


def answer(done: subprocess.CompletedProcess) -> dict:
    return json.loads(done.stdout)


@pytest.fixture
def sound(environment) -> Iterator[None]:
    """Whatever a test did, what it left behind passes `python -m sessions fsck`."""
    yield
    done = terminal.run(operate, ["fsck"], environment, ROOT)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_conversation_with_everything_in_it(cli, photo, sound):
    made = answer(cli("new", str(photo), "--json"))
    assert set(made) == {"session", "revision"}
    said = answer(cli("say", "crop it square, make it a little warmer and flip it horizontally", "--json"))
    assert len(said["revisions"]) == 3
    assert said["branch"] == "main"
    assert said["ask"] is None
    undone = answer(cli("say", "undo", "--json"))
    assert undone["revisions"] == []
    cli("redo")
    sepia = answer(cli("say", "try #1 in sepia instead", "--json"))
    assert sepia["branch"] == "sepia"
    graph = cli("graph").stdout
    assert "|/" in graph
    assert "sepia ◀" in graph
    assert [r["seq"] for r in answer(cli("log", "--json"))["revisions"]] == [5, 1]
    everything = answer(cli("log", "--all", "--json"))["revisions"]
    assert [(r["seq"], r["tool"]) for r in everything][-1] == (1, "upload")
    assert {"id", "seq", "parents", "tool"} <= set(everything[0])
    assert "main" in cli("switch", "main").stdout
    assert cli("branch").stdout.splitlines() == ["* main                 #4", "  sepia                #5"]
    shown = answer(cli("show", "head~1", "--json"))
    assert shown["seq"] == 3
    assert Path(shown["file"]).exists()
    assert answer(cli("sessions", "--json"))["sessions"][0]["id"] == made["session"]
    assert answer(cli("doctor", "--json"))["ok"]


def test_plan_runs_nothing_and_names_every_base(cli, photo):
    made = answer(cli("new", str(photo), "--json"))
    plan = answer(cli("plan", "make it black and white, then sharpen it", "--json"))
    assert [step["tool"] for step in plan["steps"]] == ["monochrome", "sharpen"]
    assert [step["base"] for step in plan["steps"]] == [made["revision"], "prev"]
    assert {"command", "steps", "ask", "chat", "planner", "confidence"} <= set(plan)
    assert len(answer(cli("log", "--all", "--json"))["revisions"]) == 1


def test_a_question_is_answered_by_number(cli, photo):
    cli("new", str(photo))
    asked = answer(cli("say", "crop it", "--json"))
    assert asked["ask"]["candidates"]
    assert asked["revisions"] == []
    done = answer(cli("say", "--answer", "1", "--json"))
    assert len(done["revisions"]) == 1


def test_what_cannot_be_done_is_a_sentence_and_an_exit_code(cli, photo, tmp_path):
    assert "pentimento new" in cli("say", "make it warmer", code=1).stderr
    cli("new", str(tmp_path / "missing.jpg"), code=1)
    (tmp_path / "x.jpg").write_bytes(b"GIF89a not really")
    assert cli("new", str(tmp_path / "x.jpg"), code=1).stderr
    cli("new", str(photo))
    assert cli("say", "add a unicorn", code=1).stdout
    assert "no #99" in cli("show", "#99", code=1).stderr
    failed = cli("undo", "--json", code=1)
    assert answer(failed)["error"]["code"] == "nothing_to_undo"


def test_an_attached_photo_becomes_a_line_of_its_own(cli, photo, tmp_path):
    cli("new", str(photo))
    dog = tmp_path / "Dog.png"
    Image.fromarray(data.coffee()[:100, :100]).save(dog)
    said = answer(cli("say", "make it black and white", "--attach", str(dog), "--json"))
    assert said["branch"] == "dog"


def test_show_writes_a_picture_in_the_format_of_its_name(cli, photo, tmp_path):
    cli("new", str(photo))
    for ending in ("png", "jpg", "webp", "tiff"):
        path = tmp_path / f"out.{ending}"
        cli("show", "#1", "--out", str(path))
        with Image.open(path) as picture:
            assert picture.size == (451, 300)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), data.chelsea())
    cli("show", "#1", "--out", str(tmp_path / "out.xyz"), code=1)


def test_terminate_stops_the_turn_and_keeps_nothing_of_the_step(cli, environment, tmp_path):
    large = tmp_path / "large.png"
    Image.fromarray(data.astronaut()).resize((2400, 2400)).save(large, compress_level=1)
    session = answer(cli("new", str(large), "--json"))["session"]
    words = [sys.executable, "-m", "ui.cli", "say", "denoise it a lot", "--request-id", "r"]
    running = subprocess.Popen(words, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline().startswith("plan")  # the plan is stored, the tool begins
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=10) != 0
    running.stdout.close()
    assert len(answer(cli("log", "--all", "--json", "-s", session))["revisions"]) == 1
    again = answer(cli("say", "flip it", "--answer", "flip it horizontally", "--json"))
    assert len(again["revisions"]) == 1


@pytest.mark.parametrize("module", ["numpy", "cv2", "PIL", "skimage", "sqlalchemy", "pydantic", "alembic"])
def test_the_command_line_imports_nothing_heavy(module):
    code = f"import ui.cli, sys; assert {module!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=WAIT)


def test_knowing_the_tools_imports_no_eyes():
    code = "from tools import registry; registry.registered(); import sys; assert 'skimage' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=WAIT)
