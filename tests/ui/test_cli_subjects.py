"""`pentimento subject` as a person types it, and that what was learnt draws, travels and is done again."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from agent import recipe_files, recipes
from agent.assistant import Assistant
from agent.plan import PlanStep
from sessions import bundle, fsck, history, turns, uploads
from sessions.errors import NotFound
from sessions.store import Store
from sessions.values import LearntSubject
from tests import tiny
from tests.agent.conftest import ScriptedPlanner
from ui.cli import app

STEP = {"tool": "blip_diffusion", "args": {"category": "dog", "steps": 2}, "subjects": ["@rex"], "seed": 4}


def png(seed: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def cli(*words: str, code: int = 0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data folder with tiny weights, a session with a photo, and rex learnt from two."""
    folder = tmp_path_factory.mktemp("home")
    tiny.shelf(folder)
    for seed in (1, 2):
        (folder / f"{seed}.png").write_bytes(png(seed))
    (folder / "beep.wav").write_bytes(b"RIFF")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENTIMENTO_HOME", str(folder))
        store = Store(folder)
        Assistant(store, ScriptedPlanner()).new(("base.png", png(3)))
        store.close()
        cli("subject", "learn", "rex", folder / "1.png", folder / "2.png", "-c", "dog", "--steps", 2, "--rate", 1e-3)
        yield folder


@pytest.fixture
def store(home):
    opened = Store(home)
    yield opened
    opened.close()


def drawn(store: Store, session: str, step: dict) -> np.ndarray:
    """A step done in this process; its pixels."""
    assistant = Assistant(store, ScriptedPlanner())
    turn = assistant.propose(session, json.dumps({"steps": [step]}))
    events = list(assistant.carry_out(turn, None))
    assert turns.get(store, session, turn.request_id).state == "done", events
    revision = history.graph(store, session).revisions[-1]
    return store.picture(session, revision.image).pixels


def first_session(store: Store) -> str:
    return store.sessions()[-1].id


def test_a_learnt_subject_is_listed(home):
    [told] = json.loads(cli("subject", "list", "--json").stdout)["subjects"]
    assert told["name"] == "rex"
    assert "rex" in cli("subject", "list").stdout


def test_a_name_is_taken_once(home):
    said = cli("subject", "learn", "rex", home / "1.png", "-c", "dog", code=1).output
    assert "called 'rex'" in said


@pytest.mark.parametrize("photo", ["beep.wav", "nowhere.png"])
def test_what_is_no_photo_is_said(home, photo):
    said = cli("subject", "learn", "max", home / photo, "-c", "dog", code=1).output
    assert "Traceback" not in said
    assert said.strip()


def test_it_is_drawn_by_its_name_recorded_by_its_hash_and_drawn_again(store):
    session = first_session(store)
    [asset] = uploads.subjects(store, session)
    first = drawn(store, session, STEP)
    graph = history.graph(store, session)
    assert graph.revisions[-1].step.subjects == (asset.sha256,)
    recorded = STEP | {"subjects": [asset.sha256], "base": graph.revisions[0].id}
    assert np.array_equal(first, drawn(store, session, recorded))


def test_it_travels_in_a_bundle_and_is_drawn_there(store, tmp_path):
    session = first_session(store)
    expected = drawn(store, session, STEP | {"base": history.graph(store, session).revisions[0].id})
    bundle.export_session(store, session, tmp_path / "one.zip")
    other = Store(tmp_path / "other")
    tiny.shelf(tmp_path / "other")
    arrived = bundle.import_session(other, tmp_path / "one.zip").id
    root = history.graph(other, arrived).revisions[0].id
    assert np.array_equal(drawn(other, arrived, STEP | {"base": root}), expected)
    assert not list(fsck.fsck(other))
    other.close()


def test_a_recipe_names_it_but_does_not_carry_it(store):
    session = first_session(store)
    drawn(store, session, STEP)
    graph = history.graph(store, session)
    recipe = recipes.recipe_of(graph, graph.revisions[-1])
    pictures = recipe_files.pictures_of(store, session, recipe)
    assert any(isinstance(picture, LearntSubject) for picture in pictures.values())
    travelling = recipe_files.enclosing(recipe, pictures)
    assert recipe_files.left_out(travelling)
    with pytest.raises(NotFound, match="did not travel"):
        recipe_files.admitted(travelling)


def test_on_the_same_machine_it_is_brought_into_another_session(store, home):
    session = first_session(store)
    drawn(store, session, STEP)
    graph = history.graph(store, session)
    recipe = recipes.recipe_of(graph, graph.revisions[-1])
    pictures = recipe_files.pictures_of(store, session, recipe)
    other = Assistant(store, ScriptedPlanner()).new(("other.png", png(5)))[0].id
    recipe_files.bring(store, other, recipe, pictures)
    [mine], [theirs] = (uploads.subjects(store, one) for one in (session, other))
    assert mine.sha256 == theirs.sha256
    assert store.asset_bytes(session, mine.original) == store.asset_bytes(other, theirs.original)


def test_an_unknown_subject_is_said_before_anything_runs(store):
    session = first_session(store)
    assistant = Assistant(store, ScriptedPlanner())
    step = PlanStep(tool="blip_diffusion", args={"category": "dog"}, subjects=("@max",))
    turn = assistant.propose(session, json.dumps({"steps": [step.model_dump(mode="json")]}))
    assert turn.plan["refused"] or turn.plan["chat"]
