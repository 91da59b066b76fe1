"""A step with weights is held against what its planner expected, and done once more where it is not like it."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from agent import executor, selfcheck
from agent.assistant import Assistant
from agent.plan import Plan
from agent.selfcheck import AGAIN, Expected
from agent.stepping import Job, work
from sessions import history, turns
from sessions.errors import NotFinite
from sessions.identity import seed_for
from sessions.store import Store
from sessions.values import Picture
from tests import tiny, tiny_encoders
from tests.agent.conftest import ScriptedPlanner, png
from tools import adding, shelf
from tools.base import drain

PHOTO = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
STEP = {"tool": "instruct_pix2pix", "args": {"instruction": "make it winter", "steps": 2, "text_guidance": 2.0}}
REQUEST = "a-request"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A data folder with tiny weights and a tiny encoder."""
    folder = tmp_path_factory.mktemp("home")
    made = tiny.shelf(folder)
    adding.add(made, tiny_encoders.imagebind(folder / "tiny/encoder"), "encoder")
    return folder


@pytest.fixture(scope="module")
def tried(home) -> tuple[np.ndarray, np.ndarray]:
    """What the first and the second try come to, as the encoder sees them: (D,) each."""
    seed, plan = seed_for(REQUEST, 0), Plan.model_validate({"steps": [STEP]})
    made = [
        drain(work(0, Job(plan.steps[0], Picture(PHOTO), seed=number, shelf=shelf.at(home)))).edit.image.rgb
        for number in (seed, seed + AGAIN)
    ]
    assert not np.array_equal(*made)
    return tuple(shelf.at(home).encoder().pictures(made))


@pytest.fixture
def done(home):
    """Do a step that expects something; the revision that came of it."""
    store = Store(home)

    def run(expected: Expected | dict | None, **more):
        assistant = Assistant(store, ScriptedPlanner())
        session = assistant.new(("noise.png", png(PHOTO)))[0].id
        told = expected.model_dump() if isinstance(expected, Expected) else expected
        plan = json.dumps({"steps": [{**STEP, "expected": told, **more}]})
        turn = assistant.propose(session, plan, request_id=REQUEST)
        for _ in assistant.carry_out(turn, None):
            pass
        assert turns.get(store, session, REQUEST).state == "done"
        return history.graph(store, session).revisions[-1]

    yield run
    store.close()


def expected(home, e: np.ndarray, least: float) -> Expected:
    return Expected.of(e, least, shelf.at(home).encoder().digest)


def test_what_is_as_expected_is_kept(home, tried, done):
    revision = done(expected(home, tried[0], 0.99))
    assert revision.facts["tries"] == 1 and revision.facts["as_expected"] > 0.999


def test_what_is_not_is_tried_once_more_and_the_better_is_kept(home, tried, done):
    first, second = tried
    apart = second - (second @ first) * first  # what the second has and the first has not
    revision = done(expected(home, apart, 0.999))
    assert revision.facts["tries"] == 2
    usual = done(None)
    assert revision.step.seed == usual.step.seed + AGAIN and revision.image != usual.image
    worse = done(expected(home, first - (first @ second) * second, 0.9999))
    assert worse.facts["tries"] == 2 and worse.image == usual.image and worse.step.seed == usual.step.seed


def test_a_second_try_that_fails_leaves_the_first(home, tried, done, monkeypatch):
    def failing(index: int, job: Job):
        if job.seed != seed_for(REQUEST, 0):
            raise NotFinite("The picture came out as nothing.")
        return (yield from work(index, job))

    usual = done(None)
    monkeypatch.setattr(executor, "work", failing)
    revision = done(expected(home, -tried[0], 0.999))
    assert revision.image == usual.image and revision.facts["tries"] == 2


def test_what_is_see_through_is_looked_at_on_white(home, tried):
    hidden = np.dstack([PHOTO, np.full((64, 64), 255, np.uint8)])
    hidden[:32, :, 3] = 0
    shown = PHOTO.copy()
    shown[:32] = 255
    e = expected(home, tried[0], 0.0)
    both = [selfcheck.likeness(shelf.at(home), e, Picture(pixels)) for pixels in (hidden, shown)]
    assert both[0] == pytest.approx(both[1], abs=1e-6)


def test_the_recorded_seed_makes_the_same_picture_again(home, tried, done):
    first, second = tried
    revision = done(expected(home, second - (second @ first) * first, 0.999))
    assert done(None, seed=revision.step.seed).image == revision.image


def test_a_recorded_seed_is_not_tried_with_another(home, tried, done):
    revision = done(expected(home, -tried[0], 0.999), seed=7)
    assert revision.facts["tries"] == 1 and revision.step.seed == 7


@pytest.mark.parametrize(
    "told",
    [
        {"embedding": "", "least": 0.5, "encoder": ""},
        {"embedding": "AAAA", "least": 0.5, "encoder": ""},
        {"embedding": "AAAA", "least": 0.5, "encoder": "another"},
        {"embedding": "?", "least": 0.5, "encoder": ""},
        {"least": 0.5},
    ],
)
def test_what_cannot_be_expected_is_no_check_and_no_failure(done, told):
    assert "as_expected" not in done(told).facts


def test_the_cosine_is_the_cosine(home, tried):
    e = np.random.default_rng(1).normal(size=tried[0].shape).astype(np.float32)
    found = selfcheck.likeness(shelf.at(home), expected(home, e, 0.0), Picture(PHOTO))
    h = shelf.at(home).encoder().pictures([PHOTO])[0]
    assert found == pytest.approx(float(e @ h / np.linalg.norm(e) / np.linalg.norm(h)), abs=2e-3)


def test_an_expectation_is_bounded():
    with pytest.raises(ValidationError):
        Expected(embedding="A" * 20_000, least=0.5, encoder="")
