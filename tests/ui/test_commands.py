"""Commands of other packages: found by entry points, ours as pyproject names them, and none of it at start."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import benchmarks.commands
import training.commands
from tests import tiny_eyes
from toybox.drawing import draw
from toybox.scenes import seeded

ROOT = Path(__file__).parents[2]
WAIT = 60
OURS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["pentimento.commands"]


@pytest.fixture
def run(tmp_path):
    """`pentimento` in a process of its own, where a package brings the commands that are asked for."""

    def start(points: dict[str, str], *words: str, code: int = 0, program: str = "") -> subprocess.CompletedProcess:
        about = tmp_path / "their_package-1.dist-info"
        about.mkdir(exist_ok=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1\n", "utf-8")
        listed = "\n".join(f"{name} = {value}" for name, value in points.items())
        (about / "entry_points.txt").write_text(f"[pentimento.commands]\n{listed}\n", encoding="utf-8")
        paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]), "PENTIMENTO_HOME": str(tmp_path / "home")}
        called = [sys.executable, "-c", program or "from ui.cli import main; main()", *words]
        environment = os.environ | paths | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(called, env=environment, capture_output=True, text=True, timeout=WAIT, cwd=tmp_path)
        assert done.returncode == code, done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        return done

    return start


def test_help_names_our_workshop_and_imports_no_networks(run):
    program = (
        "import sys\nfrom ui.cli import app\napp(standalone_mode=False)\n"
        "assert {'torch', 'numpy', 'cv2'}.isdisjoint(sys.modules)"
    )
    said = run(OURS, "--help", program=program).stdout
    assert "  eval " in said and "  train " in said and said.index("  new ") < said.index("  eval ")
    assert "pairs" in run(OURS, "eval", "--help").stdout
    recipes = run(OURS, "train", "--help").stdout
    assert "encoder" in recipes and "planner-stages" in recipes


def test_a_recipe_is_given_its_words_as_they_stand(monkeypatch):
    monkeypatch.delitem(sys.modules, "training.full_size", raising=False)
    monkeypatch.setattr(sys, "argv", [])
    done = CliRunner().invoke(training.commands.app, ["full-size", "--help"])
    assert done.exit_code == 0 and done.stdout.startswith("usage: python -m training.full_size")
    assert CliRunner().invoke(training.commands.app, ["nothing"]).exit_code == 2


def test_pairs_are_measured_by_the_command(tmp_path):
    for name, seed in (("a.png", 1), ("b.png", 2)):
        Image.fromarray(draw(seeded(seed)).rgb).save(tmp_path / name)
    (tmp_path / "pairs.json").write_text('[{"before": "a.png", "after": "b.png"}]')
    file = tiny_eyes.lpips(tmp_path / "lpips.pth")

    def called(*words, code=0):
        done = CliRunner().invoke(benchmarks.commands.app, ["pairs", str(tmp_path), *words])
        assert done.exit_code == code, done.output
        return done

    found = json.loads(called("--lpips", str(file), "--json").stdout)
    assert found["metrics"]["LPIPS"]["mean"] == found["per_pair"][0]["LPIPS"] > 0
    assert "LPIPS      0." in called("--lpips", str(file)).stdout
    assert "nowhere/config.json is missing" in called("--clip", "nowhere", code=1).stderr
    told = json.loads(called("--json", code=1).stdout)
    assert told["error"]["message"] == "Nothing to measure with."


def test_what_breaks_is_named_and_our_own_verbs_stand(run, tmp_path):
    (tmp_path / "their_commands.py").write_text("import typer\nnone = 1\nsessions = typer.Typer()\n")
    points = {"broken": "nothing_here:app", "none": "their_commands:none", "sessions": "their_commands:sessions"}
    listed = run(points, "--help")
    assert "the package their-package offers the command broken" in listed.stderr and "does not load" in listed.stderr
    assert "command none (their_commands:none), but it is no Typer app" in listed.stderr
    assert "  broken" not in listed.stdout
    assert "No such command" in run(points, "broken", code=2).stderr
    assert json.loads(run(points, "sessions", "--json").stdout)["sessions"] == []
