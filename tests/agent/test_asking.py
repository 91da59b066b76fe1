"""Questions that must be seen: what a doubt is about, and that asked again it shows what it showed at first."""

import numpy as np
import pytest

from agent import asking
from agent.assistant import abandoned
from agent.events import Asked, Refused
from sessions import turns
from sessions.errors import NotFound
from tests.agent.conftest import end
from tools import regions

CROP = {"tool": "crop", "args": {"aspect": "1:1"}}
BLUR_CORNER = {"tool": "blur", "args": {}, "region": {"words": "top left"}}
LIGHTEN_CORNER = {"tool": "adjust", "args": {"exposure": 0.2}, "region": {"words": "bottom right"}}
INSERT = {"tool": "insert_subject", "args": {}}


@pytest.fixture
def doubtful(monkeypatch):
    """Every place is found, and none is sure."""
    ground_steps = regions.ground_steps

    def unsure(image, region, brush=None):
        if region.words == "the subject":
            yield 0.5
            mask = np.zeros((image.height, image.width), np.uint8)
            mask[40:100, 40:100] = 255
        else:
            mask = (yield from ground_steps(image, region, brush)).mask
        return regions.Grounding(mask, 0.3, "there")

    monkeypatch.setattr(regions, "ground_steps", unsure)


def asked(events: list) -> Asked:
    return next(event for event in events if isinstance(event, Asked))


def same(one: Asked, other: Asked) -> bool:
    pictures = one.pictures.keys() == other.pictures.keys() and all(
        np.array_equal(picture.pixels, other.pictures[at].pixels) for at, picture in one.pictures.items()
    )
    return one.ask == other.ask and pictures and np.array_equal(one.mask, other.mask)


@pytest.mark.usefixtures("doubtful")
def test_a_doubt_about_a_place_is_about_its_mask_and_shows_the_same_again(say, store, session):
    first = asked(say(CROP, BLUR_CORNER, request_id="q"))
    assert first.ask.mask and first.mask.shape == (200, 200)
    assert [one.shown for one in first.ask.candidates] == [True, False]
    assert same(asking.again(store, turns.get(store, session, "q")), first)


@pytest.mark.usefixtures("doubtful")
def test_the_second_doubt_of_a_turn_has_its_own_mask(say, assistant, store, session):
    first = asked(say(BLUR_CORNER, LIGHTEN_CORNER, request_id="q"))
    second = asked(list(assistant.turn(session, "yes")))
    again = asking.again(store, turns.get(store, session, "q"))
    assert same(again, second) and not np.array_equal(again.mask, first.mask)


@pytest.mark.usefixtures("doubtful")
def test_a_doubt_about_a_cut_out_is_about_no_mask_and_shows_the_same_again(say, store, session, cup):
    first = asked(say(INSERT, files=[("cup.png", cup)], request_id="q"))
    assert not first.ask.mask and first.mask is None and first.ask.candidates[0].shown
    again = asking.again(store, turns.get(store, session, "q"))
    assert np.array_equal(again.pictures[0].pixels, first.pictures[0].pixels) and again.mask is None


def test_what_is_not_in_doubt_any_more_is_asked_without_pictures(say, store, session, monkeypatch):
    with monkeypatch.context() as then:
        sure = regions.ground_steps

        def unsure(*args):
            found = yield from sure(*args)
            return regions.Grounding(found.mask, 0.3, found.label)

        then.setattr(regions, "ground_steps", unsure)
        first = asked(say(BLUR_CORNER, request_id="q"))
    assert asking.again(store, turns.get(store, session, "q")) == Asked(first.ask)


def test_a_turn_that_asks_nothing(say, store, session):
    say(CROP, request_id="done")
    with pytest.raises(NotFound):
        asking.again(store, turns.get(store, session, "done"))


@pytest.mark.parametrize(
    ("error", "said"), [(MemoryError, "not enough memory"), (ZeroDivisionError, "broke on our side")]
)
@pytest.mark.parametrize("where", ["looking", "keeping"])
def test_a_defect_ends_its_turn_and_is_not_run_again(say, store, session, monkeypatch, error, said, where):
    def broken(*_):
        raise error("boom")

    monkeypatch.setattr(*((regions, "ground_steps") if where == "looking" else (store, "keep")), broken)
    events = say(BLUR_CORNER, request_id="q")
    [refused] = [event for event in events if isinstance(event, Refused)]
    assert said in refused.message and end(events).state == "refused"
    assert turns.get(store, session, "q").outcome["error"]["code"] == "tool_failed"
    assert not abandoned(turns.get(store, session, "q")) and not turns.open_turns(store, session)
    monkeypatch.undo()
    assert end(say(CROP)).state == "done"
