"""Choosing who understands a message, as a person types it."""

import io
import json

import numpy as np
import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from PIL import Image
from typer.testing import CliRunner

from agent import runtime
from tests.agent.llm.conftest import need_llama_cpp
from ui.cli import app

DREAM = "give it the look of an old dream"


@pytest.fixture
def cli(tmp_path, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PENTIMENTO_PLANNER", raising=False)
    file = io.BytesIO()
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(file, "PNG")
    runtime.open_assistant().new(("grey.png", file.getvalue()))

    def run(*words: str, code: int = 0):
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """LangChain gives a model that plans a blur; the names under which it was opened."""
    names: list[str] = []

    def fake(name: str) -> GenericFakeChatModel:
        names.append(name)
        plan = {"steps": [{"tool": "blur", "args": {"amount": 0.2}}]}
        return GenericFakeChatModel(messages=iter([AIMessage(json.dumps(plan))]))

    monkeypatch.setattr("langchain.chat_models.init_chat_model", fake)
    return names


def test_a_chat_model_is_chosen_for_one_message(cli, opened):
    told = json.loads(cli("say", DREAM, "--planner", "chat:somebody:model", "--json").stdout)
    assert told["state"] == "done" and opened == ["somebody:model"]
    told = json.loads(cli("plan", DREAM, "--planner", "chat:somebody:model", "--json").stdout)
    assert told["planner"] == "chat@1:somebody:model" and [step["tool"] for step in told["steps"]] == ["blur"]


def test_the_environment_chooses_and_the_option_wins(cli, opened, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_PLANNER", "chat:somebody:model")
    assert json.loads(cli("plan", "crop it square", "--json").stdout)["planner"] == "rules@1"
    for name in ("rules", "cascade"):
        assert json.loads(cli("plan", DREAM, "--planner", name, "--json").stdout)["planner"].startswith("rules@")
    assert not opened
    assert json.loads(cli("plan", DREAM, "--json").stdout)["planner"] == "chat@1:somebody:model"


def test_a_planner_that_there_is_not_is_a_sentence(cli):
    said = cli("say", DREAM, "--planner", "magic", code=1).output
    assert "There is no planner called 'magic'." in said
    assert "cascade, rules, " in said and "chat:<provider:model>" in said


def test_a_model_that_cannot_be_opened_is_a_sentence(cli):
    said = cli("say", DREAM, "--planner", "chat:nobody:nothing", code=1).output
    assert "nobody:nothing cannot be used" in said and "PENTIMENTO_PLANNER=rules needs no chat model." in said


def test_the_doctor_names_the_planner(cli, monkeypatch):
    assert "ok   planner        cascade" in cli("doctor").output
    monkeypatch.setenv("PENTIMENTO_PLANNER", "chat:openai:gpt-5")
    assert "ok   planner        openai:gpt-5" in cli("doctor").output
    monkeypatch.setenv("PENTIMENTO_PLANNER", "magic")
    assert "NOT  planner        magic; PENTIMENTO_PLANNER is one of:" in cli("doctor", code=1).output


def test_the_list_says_what_the_starters_planner_knows(cli, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_PLANNER", "token_heads")
    said = cli("planner", "list").stdout.splitlines()
    (shipped,) = (line.split(maxsplit=2) for line in said if line.startswith("→"))
    assert shipped[1:] == ["token_heads", "ready, for drawn scenes only"]
    told = {one["name"]: one for one in json.loads(cli("planner", "list", "--json").stdout)["planners"]}
    assert told["token_heads"]["drawn_only"] and told["token_heads"]["used"] and not told["token_heads"]["lacks"]
    assert not told["rules"]["drawn_only"] and not told["token_heads:llama.cpp"]["drawn_only"]


def test_what_is_exported_still_knows_drawn_scenes_only(cli, tmp_path):
    need_llama_cpp()
    cli("planner", "export", "--gguf", str(tmp_path / "gguf"))
    cli("models", "add", str(tmp_path / "gguf"), "--as", "planner")
    assert "ready, for drawn scenes only" in cli("planner", "list").stdout.split("token_heads:llama.cpp")[1]
