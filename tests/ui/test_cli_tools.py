"""`pentimento do` as a person types it."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from agent import runtime
from sessions.errors import PlanError
from tests.agent.test_hearing_tools import RAIN, hush
from tools import registry
from ui.cli import app
from ui.cli_history import _arguments
from ui.cli_tools import argument, place


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def cli(tmp_path, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_HOME", str(tmp_path / "home"))
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (48, 1, 3))
    runtime.open_assistant().new(("ramp.png", png(ramp)))

    def run(*words: str, code: int = 0):
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == code, done.output
        return done

    return run


def test_a_tool_is_run_with_its_arguments(cli):
    told = json.loads(cli("do", "adjust", "exposure=0.4", "saturation=-0.2", "--json").stdout)
    assert told["state"] == "done" and len(told["revisions"]) == 1
    step = json.loads(cli("log", "--json").stdout)["revisions"][0]["step"]
    assert step["tool"] == "adjust" and (step["args"]["exposure"], step["args"]["saturation"]) == (0.4, -0.2)


def test_it_works_where_it_is_told_to(cli):
    cli("do", "monochrome", "--where", "0,0,0.5,1")
    assert json.loads(cli("log", "--json").stdout)["revisions"][0]["step"]["region"] == {"box": [0, 0, 0.5, 1]}


def test_another_picture_of_the_session_is_named_as_everywhere(cli):
    cli("do", "adjust", "temperature=0.8")
    told = cli("do", "match_colors", "--subject", "#1", "--json")
    assert json.loads(told.stdout)["state"] == "done"


@pytest.mark.parametrize(
    "words",
    [["posterize"], ["adjust", "exposure=9"], ["adjust", "shine=1"], ["match_colors"], ["crop", "--where", "x"]],
)
def test_what_does_not_fit_is_one_sentence_and_changes_nothing(cli, words):
    assert "Traceback" not in cli("do", *words, code=1).output
    assert len(json.loads(cli("log", "--json").stdout)["revisions"]) == 1


def test_arguments_are_json_where_they_can_be():
    assert argument("steps=20") == ("steps", 20) and argument("layers=[4,8]") == ("layers", [4, 8])
    assert argument("query=a bowl = round") == ("query", "a bowl = round")
    for wrong in ("steps", "=3", "two words=1"):
        with pytest.raises(PlanError):
            argument(wrong)


def test_a_place_is_a_box_or_words():
    assert place("0.1,0.2,0.9,1") == {"box": [0.1, 0.2, 0.9, 1]}
    assert place("the cat, left") == {"words": "the cat, left"} and place("") is None


def test_what_is_missing_is_said_in_words(cli):
    assert "diffedit needs to be told its query." in cli("do", "diffedit", code=1).output
    assert (
        "analogist needs 2 other pictures, and 1 is named."
        in cli("do", "analogist", "prompt=x", "--subject", "#1", code=1).output
    )
    assert "crop works with no other picture." in cli("do", "crop", "--subject", "#1", code=1).output


def test_a_tool_says_all_that_it_can_be_told():
    told = list(_arguments(registry.get("diffedit")))
    assert told[0].endswith("a bowl of pears. (needed)") and told[-1].startswith("--where")
    assert "clamp            How the mask's extremes are cut off. [mean; or quantile]" in told
    assert list(_arguments(registry.get("blip_diffusion")))[-1].endswith(": 1 to 8.")


@pytest.fixture
def rain(tmp_path, monkeypatch):
    """The file of a sound, where a tool that hears is known."""
    monkeypatch.setattr(registry, "registered", lambda found=registry.registered(): found | {"hush": hush})
    (tmp_path / RAIN[0]).write_bytes(RAIN[1])
    return str(tmp_path / RAIN[0])


def test_a_sound_is_attached_or_named_as_a_picture_is(cli, rain):
    cli("do", "hush", "--attach", rain)
    cli("do", "hush", "--attach", rain, "--subject", "#1", "--subject", "A1")
    named, given = (one["step"]["subjects"] for one in json.loads(cli("log", "--json").stdout)["revisions"][:2])
    assert named[1:] == given and len(given) == 1 and named[0].startswith("r1:")
    assert "Other pictures or sounds, or --attach FILE: 1 to 2." in cli("tools", "hush").output
    assert "a sound" in " ".join(cli("do", "--help").output.split())


def test_a_sound_for_a_tool_that_does_not_hear_is_one_sentence(cli, rain):
    said = cli("do", "match_colors", "--attach", rain, "--subject", "A1", code=1).output
    assert "match_colors works with pictures; rain.wav is a sound." in said


def test_a_refusal_is_read_once_on_a_terminal(cli, monkeypatch):
    from ui import terminal

    said = "diffedit needs to be told its query."
    assert cli("do", "diffedit", code=1).output.count(said) == 2  # on both streams, for whoever keeps only one
    monkeypatch.setattr(terminal, "shown_together", lambda: True)
    assert cli("do", "diffedit", code=1).output.count(said) == 1


def test_the_doctor_names_the_chat_model(cli, monkeypatch):
    assert "PENTIMENTO_CHAT_MODEL=provider:model" in cli("doctor").output
    monkeypatch.setenv("PENTIMENTO_CHAT_MODEL", "openai:gpt-5")
    assert "ok   chat model     openai:gpt-5" in cli("doctor").output
    monkeypatch.setattr("ui.checkup.find_spec", lambda name: None)
    assert "NOT  chat model     openai:gpt-5; pip install" in cli("doctor", code=1).output
