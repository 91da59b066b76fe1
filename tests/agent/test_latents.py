"""A network goes on from what the picture was decoded from, whether that is still kept or has to be found again."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from agent import latents
from agent.assistant import Assistant
from agent.laying import Past
from agent.plan import Plan
from agent.stepping import Job, work
from sessions import history, turns
from sessions.erase import delete_session
from sessions.errors import MissingWeights
from sessions.store import Store
from sessions.values import Picture
from tests import tiny
from tests.agent.conftest import ScriptedPlanner, png
from tools import registry, shelf
from tools.base import ToolArgs, drain
from tools.weights import Entry

PHOTO = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
TOOL, ROLE = "instruct_pix2pix", "instruct-pix2pix"


def painted(words: str, seed: int = 1, **more) -> dict:
    return {"tool": TOOL, "args": {"instruction": words, "steps": 2, "text_guidance": 2.0}, "seed": seed, **more}


WINTER, NIGHT = painted("make it winter"), painted("make it night", 2)
MORNING = painted("make it morning", 3)
BRIGHTER = {"tool": "adjust", "args": {"exposure": 0.3}, "seed": 0}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data folder with tiny weights."""
    folder = tmp_path_factory.mktemp("home")
    tiny.shelf(folder)
    return folder


class Told:
    """A session in which steps are done in this process; `forget` empties the cache."""

    def __init__(self, store: Store) -> None:
        self.assistant = Assistant(store, ScriptedPlanner())
        self.store = store
        self.session = self.assistant.new(("noise.png", png(PHOTO)))[0].id

    def end(self, *steps: dict) -> str:
        turn = self.assistant.propose(self.session, json.dumps({"steps": list(steps)}))
        for _ in self.assistant.carry_out(turn, None):
            pass
        return turns.get(self.store, self.session, turn.request_id).state

    def do(self, *steps: dict) -> np.ndarray:
        assert self.end(*steps) == "done"
        return self.pixels(-1)

    def pixels(self, at: int) -> np.ndarray:
        return self.store.picture(self.session, self.revision(at).image).pixels

    def revision(self, at: int):
        return history.graph(self.store, self.session).revisions[at]

    def forget(self) -> None:
        shutil.rmtree(self.store.home / "cache")

    def latent(self, at: int):
        past = Past(self.store, history.graph(self.store, self.session))
        return drain(latents.latent_of(0, past, self.revision(at), TOOL))


@pytest.fixture
def told(home):
    store = Store(home)
    yield Told(store)
    store.close()


def again(home, picture: np.ndarray, step: dict) -> np.ndarray:
    """A step on bare pixels."""
    plan = Plan.model_validate({"steps": [step]}).steps[0]
    return drain(work(0, Job(plan, Picture(picture), seed=step["seed"], shelf=shelf.at(home)))).edit.image.pixels


def test_the_second_edit_does_not_begin_with_the_pixels_of_the_first(told, home):
    first = told.do(WINTER)
    second = told.do(NIGHT)
    assert np.array_equal(first, again(home, PHOTO, WINTER))
    assert not np.array_equal(second, again(home, first, NIGHT))


def test_one_message_and_two_come_to_the_same(told, home):
    apart = [told.do(WINTER), told.do(NIGHT)]
    other = Told(told.store)
    assert np.array_equal(other.do(WINTER, NIGHT), apart[1])


def test_a_latent_that_is_kept_no_more_is_found_again(told):
    told.do(WINTER)
    kept = told.latent(-1)
    told.forget()
    assert np.array_equal(told.latent(-1), kept)
    told.do(NIGHT)
    kept = told.latent(-1)
    told.forget()
    assert np.array_equal(told.latent(-1), kept)


def test_the_result_does_not_depend_on_the_cache(told):
    told.do(WINTER)
    told.forget()
    other = Told(told.store)
    other.do(WINTER)
    assert np.array_equal(told.do(NIGHT), other.do(NIGHT))


def test_photos_and_what_the_darkroom_made_have_none(told):
    assert told.latent(0) is None
    told.do(WINTER)
    told.do(BRIGHTER)
    assert told.latent(-1) is None and told.latent(-2) is not None


def test_weights_with_another_autoencoder_start_from_pixels(told):
    told.do(WINTER)
    entry = next(one for one in shelf.at(told.store.home).entries() if one.role == TOOL.replace("_", "-"))
    name = next(name for name in entry.files if name.startswith("vae/"))
    other = entry.files[name].model_copy(update={"sha256": "0" * 64})
    changed = entry.model_copy(update={"name": "other", "files": entry.files | {name: other}})
    assert changed.part("vae") != entry.part("vae")
    found = told.revision(-1)
    named = {"digest": changed.digest, "role": entry.role, "name": "other"}
    for weights in ([named], [5], 5, None):
        assert not latents._made_by(shelf.at(told.store.home), _made_with(found, weights), TOOL)


def test_a_latent_is_that_of_one_autoencoder(told):
    told.do(WINTER)
    here, other = (shelf.at(told.store.home).entry(role) for role in (ROLE, "text-to-image"))
    assert here.part("vae") != other.part("vae")
    both = _made_with(told.revision(-1), [{"digest": here.digest}, {"digest": other.digest}])
    past = Past(told.store, history.graph(told.store, told.session))
    assert drain(latents.latent_of(0, past, both, TOOL, 0)) is not None
    assert drain(latents.latent_of(0, past, both, "diffedit", 0)) is None


def test_a_step_that_comes_to_another_picture_by_now_has_no_latent(told):
    told.do(WINTER)
    other = replace(told.revision(-1), id="another", image=told.revision(0).image)
    past = Past(told.store, history.graph(told.store, told.session))
    assert drain(latents.latent_of(0, past, other, TOOL)) is None


def _made_with(revision, weights):
    return replace(revision, made_with=revision.made_with | {"weights": weights})


def test_outside_a_region_the_latent_is_that_of_what_was_there(told):
    told.do(WINTER | {"region": {"box": [0, 0, 0.5, 1]}})
    local = told.latent(-1)
    other = Told(told.store)
    other.do(WINTER)
    whole = other.latent(-1)
    assert np.array_equal(local[..., :3], whole[..., :3]) and not np.array_equal(local[..., 5:], whole[..., 5:])
    assert np.array_equal(told.pixels(-1)[:, 32:], PHOTO[:, 32:])


def test_the_same_pixels_made_otherwise_have_their_own_latent(told):
    told.do(WINTER)
    kept = told.latent(-1)
    other = Told(told.store)
    other.do(NIGHT)
    other.do({"tool": "adjust", "args": {"exposure": 0.0}, "seed": 0})
    other.do(WINTER | {"replaces": "#2"})
    assert other.revision(-1).image == told.revision(-1).image and other.latent(-1) is None
    assert np.array_equal(told.latent(-1), kept)


def test_what_is_done_instead_goes_on_from_the_latent_too(told):
    told.do(WINTER)
    told.do(NIGHT)
    told.do(MORNING | {"replaces": "#3"})
    other = Told(told.store)
    other.do(WINTER)
    assert np.array_equal(told.pixels(-1), other.do(MORNING))


def test_a_latent_that_cannot_be_kept_costs_no_step(told, monkeypatch):
    def gone(*_):
        raise MissingWeights("The weight file is gone.")

    monkeypatch.setattr(latents, "keep", gone)
    told.do(WINTER)


def test_what_breaks_before_a_step_leaves_those_that_were_done(told, monkeypatch):
    def broken(*_):
        yield from ()
        raise ValueError

    monkeypatch.setattr(latents, "latent_of", broken)
    assert told.end(BRIGHTER, WINTER) == "failed"


def test_a_step_whose_tool_has_changed_is_not_worked_again(told, monkeypatch):
    told.do(WINTER)
    past = Past(told.store, history.graph(told.store, told.session))
    for others in ({TOOL: replace(registry.get(TOOL), args=ToolArgs)}, {}):
        monkeypatch.setattr(registry, "registered", lambda others=others: others)
        assert drain(latents._again(0, past, told.revision(-1), 1)) is None


def test_weights_that_change_during_a_step_are_not_what_made_it(told, monkeypatch):
    before = [one.digest for one in shelf.at(told.store.home).taken(ROLE)]
    other = Entry(role=ROLE, name="other", pack="own", files={})
    entries = shelf.Shelf.entries

    def changed(job_step, *args):
        found = yield from work(job_step, *args)
        monkeypatch.setattr(shelf.Shelf, "entries", lambda self: (other, *entries(self)))
        return found

    monkeypatch.setattr("agent.executor.work", changed)
    told.do(WINTER)
    assert [one["digest"] for one in told.revision(-1).made_with["weights"]] == before


def test_deleting_a_session_leaves_nothing_that_was_worked_out_from_it(told):
    told.do(WINTER)
    cache = told.store.home / "cache"
    assert any(cache.iterdir())
    delete_session(told.store, told.session)
    assert not cache.exists()


def test_a_wish_said_again_runs_from_the_picture_before_the_first(told):
    told.do(painted("make it night"))
    told.do(painted("make it dawn", 2))
    photo, night, dawn = (told.revision(at) for at in (0, 1, 2))
    assert dawn.parents == (night.id,) and dawn.step.base == photo.id
    assert dawn.facts["left_out"] == [night.id]


def test_a_wish_said_again_leaves_a_latent_to_go_on_from(told):
    told.do(painted("make it night"))
    told.do(painted("make it dawn", 2))
    kept = told.latent(-1)
    assert kept is not None
    told.forget()
    assert np.array_equal(told.latent(-1), kept)
