"""`merge` and `compare` on the command line: plain, with a conflict, as JSON."""

import json
from pathlib import Path

import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from ui.cli import app


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """The command line in this process; gives the object of `--json`, or what was printed."""
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))

    def run(*words: str, code: int = 0):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if "--json" in words else done.output

    return run


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "cat.png"
    Image.fromarray(data.chelsea()).save(path)
    return path


def two_branches(cli, photo, *words: str) -> None:
    cli("new", str(photo))
    cli("branch", "theirs")
    cli("say", words[1])
    cli("switch", "main")
    cli("say", words[0])


def test_merge_says_what_it_did_and_the_graph_shows_both_parents(cli, photo):
    two_branches(cli, photo, "write hello at the top left", "write bye at the bottom right")
    done = cli("merge", "theirs")
    assert "1 step as they were" in done
    assert "main → #4" in done
    drawn = cli("graph").splitlines()
    assert drawn[0].startswith("*   #4")
    assert drawn[1] == "|\\"
    assert "everything of theirs already" in cli("merge", "theirs")
    shown = cli("show")
    assert shown.count("from    ") == 2
    cli("undo")
    assert "#3" in cli("log").splitlines()[0]


def test_a_conflict_is_asked_about_and_answered(cli, photo):
    two_branches(cli, photo, "make it brighter", "make it darker")
    asked = cli("merge", "theirs", "--json")
    assert asked["state"] == "waiting"
    assert [c["label"] for c in asked["ask"]["candidates"]] == ["ours", "theirs", "both in order"]
    done = cli("say", "--answer", "theirs", "--json")
    assert (done["state"], done["branch"], len(done["revisions"])) == ("done", "main", 1)


def test_into_another_branch_with_a_choice(cli, photo):
    two_branches(cli, photo, "make it brighter", "make it darker")
    done = cli("merge", "main", "--into", "theirs", "--take", "both", "--json")
    assert (done["state"], done["branch"]) == ("done", "theirs")
    assert cli("branch").splitlines()[1].startswith("* theirs")
    assert "pentimento branch" in cli("merge", "main", "--into", "nowhere", code=1)


def test_a_conflict_about_another_branch_is_asked_and_answered_here(cli, photo):
    two_branches(cli, photo, "make it brighter", "make it darker")
    asked = cli("merge", "main", "--into", "theirs", "--json")
    assert (asked["state"], asked["branch"]) == ("waiting", "main")
    assert cli("branch").splitlines()[0].startswith("* main")
    done = cli("say", "--answer", "both", "--json")
    assert (done["state"], done["branch"], len(done["revisions"])) == ("done", "theirs", 1)
    assert cli("branch").splitlines()[1].startswith("* theirs")
    assert "everything of main already" in cli("merge", "main", "--into", "theirs")


def test_compare_prints_figures_and_writes_a_picture(cli, photo, tmp_path):
    two_branches(cli, photo, "write hello at the top left", "make it sepia")
    path = tmp_path / "diff.png"
    text = cli("compare", "original", "main", "--out", str(path))
    assert "top left" in text
    assert "only in #3" in text
    with Image.open(path) as picture:
        assert picture.size == (451, 300)
    found = cli("compare", "theirs", "--json")
    assert {"changed", "mean", "places", "regions", "steps", "base"} <= set(found)
    assert "ΔE" in cli("say", "compare with theirs")
    cli("compare", "original", "--out", str(tmp_path / "diff.jpg"), code=1)
