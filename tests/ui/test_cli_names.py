"""`pentimento rename` and `tag` as a person types them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent import runtime
from tests import making
from ui.cli import app


@pytest.fixture
def cli(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))
    store = runtime.open_store()
    session = store.create_session("cat.png").id
    making.upload(store, session, making.picture(1))
    making.edit(store, session, "main", making.picture(2))
    store.close()

    def run(*words: str, code: int = 0):
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == code, done.output
        return done

    return run


def test_a_branch_is_renamed(cli):
    assert cli("rename", "main", "portrait").stdout == "main is called portrait now.\n"
    assert cli("branch").stdout.startswith("* portrait")
    assert set(json.loads(cli("rename", "portrait", "main", "--json").stdout)) == {"branch", "head"}
    failed = cli("rename", "portrait", "x", "--json", code=1)
    assert json.loads(failed.stdout)["error"]["code"] == "not_found"


def test_the_session_is_renamed(cli):
    assert "Our cat" in cli("rename", "--session-name", "Our cat").stdout
    assert "Our cat" in cli("sessions").stdout


@pytest.mark.parametrize("words", [[], ["main"], ["main", "x", "--session-name", "y"]])
def test_what_to_rename_has_to_be_said(cli, words):
    assert "rename OLD NEW" in cli("rename", *words, code=2).output


def test_tags(cli):
    assert cli("tag").stdout == ""
    assert cli("tag", "best").stdout == "best                 #2 sepia 0.5\n"
    assert "another revision" in cli("tag", "best", "#1", code=1).output
    cli("tag", "best", "#1", "--move")
    assert cli("show", "best").stdout.startswith("#1")
    assert set(json.loads(cli("tag", "--json").stdout)["tags"]) == {"best"}
    assert "branch called" in cli("tag", "main", code=1).output
    assert "tag called" in cli("branch", "best", code=1).output
    assert cli("tag", "best", "--delete").stdout == ""
    assert "no tag" in cli("tag", "best", "--delete", code=1).output
