"""A planner added to the shelf, exported for llama.cpp and added again: both back ends make the same plan of a message.

Its weights are random: what it plans means nothing, and is legal all the same.
"""

import gc
import io
import json
import shutil
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from agent.assistant import Assistant
from agent.items import Item, items
from agent.llm import gguf
from agent.plan import Context, Plan
from agent.planners import exporting
from agent.planners.cascade import Cascade
from agent.planners.checkpoint import GGUF, Card
from agent.planners.rules import RulesPlanner, replies
from agent.planners.shelved import Shelved, suited
from agent.planning import seen
from agent.runtime import lacks, planner_of
from agent.settings import Settings
from agent.sight import Sight
from sessions import history, intake, turns, uploads
from sessions.errors import BadWeights, MissingWeights
from tests import tiny_encoders, tiny_planner
from tests.agent.conftest import ScriptedPlanner, png
from tests.agent.llm.conftest import need_llama_cpp
from tools import adding, shelf
from tools.shelf import PLANNER
from toybox.drawing import draw
from toybox.scenes import seeded
from ui.cli import app

SAID = ("make it darker", "take the first one and blur it, then make it square", "what is this?", "#1 as it was")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(the encoder's folder, the planner's folder): weights of no meaning."""
    folder = tmp_path_factory.mktemp("made")
    eyes = tiny_encoders.imagebind(folder / "encoder")
    return eyes, tiny_planner.planner(folder / "tiny", Card(name="tiny@1", template="brief"))


@pytest.fixture
def there(made, store):
    """The store's shelf with both on it."""
    mine = shelf.at(store.home)
    adding.add(mine, made[0], "encoder")
    adding.add(mine, made[1], PLANNER)
    return mine


@pytest.fixture
def session(store, cat, cup) -> str:
    assistant = Assistant(store, ScriptedPlanner())
    session = assistant.new(("cat.png", cat))[0].id
    for step in ({"tool": "adjust", "args": {"exposure": -0.3}}, {"tool": "blur", "args": {"amount": 0.4}}):
        list(assistant.turn(session, json.dumps({"steps": [step]})))
    return session


def planned(store, session, backend: str) -> list[dict]:
    planner = Shelved(store.home, Sight(store), backend)
    context = seen(store, history.graph(store, session), None, ())
    return [planner.plan(text, context).to_json() for text in SAID]


def test_whatever_it_says_is_a_plan_that_can_be_stored(store, session, there):
    assistant = Assistant(store, Shelved(store.home, Sight(store)))
    for text in SAID:
        turn = assistant.propose(session, text)
        plan = Plan.of(turn)
        assert plan.steps or plan.ask or plan.chat
        assert plan.planner == "tiny@1" and plan.refused is None
        for step in plan.steps:
            assert step.base in {"prev", *(r.id for r in history.graph(store, session).revisions)}


def test_the_same_message_has_the_same_plan_also_from_the_kept_prefix(store, session, there):
    planner = Shelved(store.home, Sight(store))
    context = seen(store, history.graph(store, session), None, ())
    first = [planner.plan(text, context) for text in SAID]
    assert [planner.plan(text, context) for text in SAID] == first
    other = Shelved(store.home, Sight(store))
    assert [other.plan(text, context) for text in reversed(SAID)] == first[::-1]


def test_both_back_ends_make_the_same_plans(store, session, there, tmp_path, made):
    need_llama_cpp()
    mine = planned(store, session, "torch")
    adding.add(there, exporting.export(made[1], tmp_path / "gguf", "F32"), PLANNER, "exported")
    theirs = planned(store, session, "llama.cpp")
    for one, other in zip(mine, theirs, strict=True):
        assert one.pop("confidence") == pytest.approx(other.pop("confidence"), abs=1e-3)
        assert one == other


def test_a_gguf_file_that_nobody_registered_or_that_was_changed_is_never_opened(store, there, made, tmp_path):
    need_llama_cpp()
    folder = exporting.export(made[1], tmp_path / "gguf")
    with pytest.raises(MissingWeights):
        _ = Shelved(store.home, Sight(store), "llama.cpp").planner
    adding.add(there, folder, PLANNER, "exported")
    with (folder / "model.gguf").open("r+b") as file:
        file.seek(200)
        file.write(b"GGUF")
    with pytest.raises(BadWeights, match="is not the file that was registered"):
        _ = Shelved(store.home, Sight(store), "llama.cpp").planner


def test_its_memory_counts_while_it_is_loaded(store, there):
    before = there.held()
    assert Shelved(store.home, Sight(store)).planner.name == "tiny@1"
    assert there.held() - before > 200_000


def test_a_session_of_many_pictures_is_shown_bounded(store, session, there):
    assistant = Assistant(store, ScriptedPlanner())
    for number in range(70):
        list(assistant.turn(session, json.dumps({"steps": [{"tool": "adjust", "args": {"tint": number / 1000}}]})))
    context = seen(store, history.graph(store, session), None, ())
    assert len(items(context, "make it darker")) == 64
    plan = Shelved(store.home, Sight(store)).plan("make it darker", context)
    assert plan.steps or plan.ask or plan.chat


def test_an_attachment_has_a_slot(store, session, there, cup):
    turn = Assistant(store, Shelved(store.home, Sight(store))).propose(session, "use this", [("cup.png", cup)])
    plan = Plan.of(turn)
    assert plan.planner == "tiny@1" and plan.refused is None
    sent = tuple(store.asset(session, name) for name in turns.said(store, turn).attachments)
    shown = items(seen(store, history.graph(store, session), None, sent), "use this")
    assert [item.words for item in shown if item.role == "attached"] == ["cup.png"]


def test_what_stands_for_a_picture_is_its_own_and_its_roles(store, there):
    planner = Shelved(store.home, Sight(store)).planner
    h = torch.nn.functional.normalize(torch.randn(2, planner.heads.space), dim=-1)

    def row(content: str, role: str, h: torch.Tensor) -> np.ndarray:
        return planner._row(Item(content, content, "picture", role), h)

    uploaded = row("p1", "upload", h[0])
    assert np.array_equal(uploaded, planner.heads.spliced(h[:1], torch.tensor([0]))[0].numpy())
    assert not np.allclose(uploaded, row("p1", "attached", h[0]))
    assert not np.allclose(uploaded, row("p2", "upload", h[1]))
    assert row("p1", "upload", h[0]) is uploaded


def test_a_turn_reads_only_what_is_new(store, session, there):
    """Also where one picture more is shown: rows that were computed together would differ in their last bits."""
    planner, assistant, fed = Shelved(store.home, Sight(store)), Assistant(store, ScriptedPlanner()), []
    for number in range(5):
        planner.plan("make it darker", seen(store, history.graph(store, session), None, ()))
        fed.append(planner.planner._conversations.of(session).fed)
        list(assistant.turn(session, json.dumps({"steps": [{"tool": "adjust", "args": {"tint": number / 10 - 1}}]})))
    assert max(fed[1:]) < fed[0] and max(fed[1:]) - min(fed[1:]) < 40


def test_each_back_end_has_the_planner_it_can_run(store, session, there, made, tmp_path):
    need_llama_cpp()
    assert lacks("token_heads", store.home) == ""
    assert "GGUF" in lacks("token_heads:llama.cpp", store.home)
    folder = exporting.export(made[1], tmp_path / "gguf")
    adding.add(there, folder, PLANNER, "exported")
    assert lacks("token_heads", store.home) == lacks("token_heads:llama.cpp", store.home) == ""
    assert planned(store, session, "torch") and planned(store, session, "llama.cpp")


def test_a_planner_in_both_forms_is_what_both_back_ends_have(there, made, tmp_path):
    folder = shutil.copytree(made[1], tmp_path / "both")
    gguf.export(folder, folder / GGUF, "F32")
    adding.add(there, folder, PLANNER)
    assert [suited(there, backend).name for backend in ("torch", "llama.cpp")] == ["both", "both"]


def test_the_starter_s_own_is_in_both_forms(store):
    empty = shelf.at(store.home)
    assert {suited(empty, backend).pack for backend in ("torch", "llama.cpp")} == {"starter"}


def test_what_the_shelf_lets_go_of_is_gone(store, there):
    shelved = Shelved(store.home, Sight(store))
    gone = weakref.ref(shelved.planner)
    there.clear()
    gc.collect()
    assert gone() is None and shelved.planner.name == "tiny@1"


def test_without_a_planner_the_command_is_named(store, tmp_path, monkeypatch):
    known = json.loads(shelf.STARTER.read_text())
    known["entries"] = [entry for entry in known["entries"] if entry["role"] != PLANNER]
    (tmp_path / "register.json").write_text(json.dumps(known))
    monkeypatch.setattr(shelf, "STARTER", tmp_path / "register.json")
    with pytest.raises(MissingWeights, match="no planner"):
        _ = Shelved(store.home, Sight(store)).planner
    assert "no planner" in lacks("token_heads", store.home)


def test_one_that_knows_drawn_scenes_only_plans_nothing_for_photos(store, session, there, made, cat, tmp_path):
    digest = there.encoder().digest
    small = tiny_planner.planner(
        tmp_path / "small", Card(name="small@1", template="brief", encoder=digest, world="toybox")
    )
    adding.add(there, small, PLANNER)
    assistant, scene = Assistant(store, Shelved(store.home, Sight(store))), png(draw(seeded(3)).rgb)
    plan = Plan.of(assistant.propose(session, "make it darker"))
    assert plan.refused == "outside_world" and "drawn scenes only" in plan.chat and not plan.steps
    drawn = assistant.new(("scene.png", scene))[0].id
    known = Plan.of(assistant.propose(drawn, "make it darker"))
    assert known.planner == "small@1" and known.refused is None
    assert Plan.of(assistant.propose(drawn, "like this one", [("cat.png", cat)])).refused == "outside_world"


def test_a_folder_that_is_no_planner(store, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/readme.txt").write_text("nothing")
    with pytest.raises(BadWeights, match="is no planner"):
        adding.add(shelf.at(store.home), tmp_path / "empty", PLANNER)


def test_a_planner_whose_encoder_is_not_here(store, there, tmp_path):
    stranger = tiny_planner.planner(tmp_path / "stranger", Card(name="other@1", template="brief", encoder="0" * 64))
    adding.add(there, stranger, PLANNER)
    with pytest.raises(MissingWeights, match="The encoder that this needs"):
        _ = Shelved(store.home, Sight(store)).planner


def test_the_verbs(store, there, tmp_path, monkeypatch):
    monkeypatch.setenv("PENTIMENTO_HOME", str(store.home))
    told = CliRunner().invoke(app, ["planner", "list", "--json"])
    found = {one["name"]: one["lacks"] for one in json.loads(told.stdout)["planners"]}
    assert found["token_heads"] == "" and found["cascade"] == "" and found["chat:<provider:model>"]
    need_llama_cpp()
    done = CliRunner().invoke(app, ["planner", "export", "--gguf", str(tmp_path / "out"), "--kind", "F32", "--json"])
    files = json.loads(done.stdout)["files"]
    assert set(files) == {"model.gguf", "heads.safetensors", "tokenizer.json", "planner.json"}
    refused = CliRunner().invoke(app, ["planner", "export", str(tmp_path / "out")])
    assert refused.exit_code == 1


def test_without_a_choice_the_small_planner_is_asked_in_sessions_of_drawn_scenes_alone(store, cat):
    usual = planner_of(Settings(), store)
    small = Image.open(io.BytesIO(cat)).convert("RGB").resize((64, 64))
    drawn, assistant = png(draw(seeded(3)).rgb), Assistant(store, ScriptedPlanner())

    def its(photo: bytes) -> bool:
        session = assistant.new(("first.png", photo))[0].id
        return usual.its(Context("main", None, revisions=history.graph(store, session).revisions, session=session))

    assert its(drawn)
    assert not its(cat) and not its(png(np.asarray(small)))
    assert not its(png(np.full((48, 64, 3), 200, np.uint8)))
    assert not usual.its(Context("main", None))


def test_with_a_photo_or_without_its_first_picture_a_session_is_no_drawn_one(store, cat):
    usual, assistant = planner_of(Settings(), store), Assistant(store, ScriptedPlanner())
    session = assistant.new(("first.png", png(draw(seeded(3)).rgb)))[0].id
    here = Context("main", None, revisions=history.graph(store, session).revisions, session=session)
    sent = [
        uploads.receive(store, session, intake.admit(data), "second.png") for data in (png(draw(seeded(4)).rgb), cat)
    ]
    assert usual.its(replace(here, attachments=(sent[0],)))
    assert not usual.its(replace(here, attachments=tuple(sent)))
    blobs = [path for path in (store.home / "blobs").rglob("*") if path.is_file()]
    for path in blobs:
        path.unlink()
    refused = planner_of(Settings(), store).plan("frobnicate the wibbles", here)
    assert not refused.steps and refused.chat in replies.REFUSALS


def test_a_planner_that_nobody_chose_is_left_wishes_alone(store):
    asked = []

    class Second:
        name = "second"

        def plan(self, text: str, context: Context) -> Plan:
            asked.append(text)
            return Plan(chat="mine")

    there = Context("main", None)
    unchosen = Cascade(RulesPlanner(), lambda _: False, Second(), chosen=False)
    said = ("mach den kreis blau", "what can you do?", "frobnicate the wibbles")
    assert [unchosen.plan(one, there).chat == "mine" for one in said] == [False, False, True]
    assert [replace(unchosen, chosen=True).plan(one, there).chat == "mine" for one in said] == [True, True, True]
