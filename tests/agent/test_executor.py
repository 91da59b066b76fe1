"""How steps overlap with commits, what is put back, and what is measured."""

import json
import threading

import numpy as np

from agent.events import Asked, Committed, Refused, Working
from agent.executor import Run
from agent.plan import Plan
from agent.stepping import finished, measured
from sessions import history, turns
from sessions.errors import StorageFull
from sessions.identity import revision_id
from sessions.values import Picture, Region
from tests.agent.conftest import end
from tools.base import EditResult

CROP = {"tool": "crop", "args": {"aspect": "1:1"}}
FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}
WAIT = 5


def test_the_next_step_starts_before_the_last_one_is_durable(assistant, store, session, monkeypatch):
    second_began = threading.Event()
    keep = store.keep

    def slow_keep(*args, **kwargs):
        assert second_began.wait(WAIT)
        return keep(*args, **kwargs)

    monkeypatch.setattr(store, "keep", slow_keep)
    order = []
    for event in assistant.turn(session, json.dumps({"steps": [CROP, FLIP]})):
        order.append((type(event).__name__, getattr(event, "index", None)))
        if isinstance(event, Working) and event.index == 1:
            second_began.set()
    assert order.index(("Working", 1)) < order.index(("Committed", None))
    assert [name for name, _ in order].count("Committed") == 2


def test_a_disk_that_fills_up_during_the_first_step_keeps_nothing_and_the_turn_can_be_sent_again(
    say, store, session, monkeypatch
):
    def full(*args, **kwargs):
        raise StorageFull("The disk is full; nothing was changed.")

    with monkeypatch.context() as patch:
        patch.setattr(store, "keep", full)
        events = say(CROP, FLIP)
    assert end(events).state == "refused"
    assert "disk is full" in end(events).reply
    assert end(say(CROP, FLIP)).state == "done"


def picture(seed: int = 0) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8))


def test_where_the_mask_is_zero_the_bases_bits_stand_and_where_it_is_full_the_edits():
    base, edit = picture(0), picture(1)
    mask = np.zeros((40, 30), np.uint8)
    mask[5:20, 5:20], mask[20:25, 5:20] = 255, 128
    out = finished(base, EditResult(edit), mask)
    assert np.array_equal(out.image.pixels[mask == 0], base.pixels[mask == 0])
    assert np.array_equal(out.image.pixels[mask == 255], edit.pixels[mask == 255])
    half = (base.pixels.astype(float) * 127 + edit.pixels.astype(float) * 128) / 255
    assert np.abs(out.image.pixels[mask == 128] - half[mask == 128]).max() <= 0.51


def test_a_tools_own_mask_wins_over_the_regions():
    base, edit = picture(0), picture(1)
    asked, came = np.full((40, 30), 255, np.uint8), np.zeros((40, 30), np.uint8)
    came[0, 0] = 255
    out = finished(base, EditResult(edit, mask=came), asked)
    assert measured(base, out)["pixels_changed"] == 1


def test_a_tool_that_adds_alpha_is_still_composited():
    base = picture(0)
    clear = Picture(np.dstack([base.pixels, np.zeros((40, 30), np.uint8)]))
    mask = np.zeros((40, 30), np.uint8)
    mask[:, :10] = 255
    out = finished(base, EditResult(clear), mask)
    assert out.image.pixels[0, 20, 3] == 255
    assert out.image.pixels[0, 5, 3] == 0


def test_measuring_would_notice_a_changed_pixel_outside():
    base = picture(0)
    pixels = base.pixels.copy()
    pixels[30, 20] ^= 255
    mask = np.zeros((40, 30), np.uint8)
    mask[:5] = 255
    assert measured(base, EditResult(Picture(pixels), mask=mask))["pixels_changed_outside"] == 1


BLUR_CORNER = {"tool": "blur", "args": {}, "region": {"words": "top left"}}


def test_an_unsure_mask_is_shown_and_yes_goes_on_at_that_step(say, assistant, session, unsure):
    events = say(CROP, BLUR_CORNER)
    [asked] = [e for e in events if isinstance(e, Asked)]
    assert asked.mask.shape == (200, 200)
    assert end(events).state == "waiting"
    assert len(end(events).revisions) == 1
    answered = list(assistant.turn(session, "yes"))
    assert [e.revision.tool for e in answered if isinstance(e, Committed)] == ["blur"]
    assert len(end(answered).revisions) == 2


def test_the_usual_region_is_asked_about_and_yes_uses_it(say, assistant, session, unsure):
    events = say({"tool": "replace_background", "args": {"color": "#ffffff"}})
    assert [e.mask.shape for e in events if isinstance(e, Asked)] == [(200, 240)]
    [made] = [e.revision for e in assistant.turn(session, "yes") if isinstance(e, Committed)]
    assert made.step.region == Region(words="the background")


def test_no_leaves_the_picture_alone(say, assistant, store, session, unsure):
    say(BLUR_CORNER, request_id="q")
    answered = list(assistant.turn(session, "no"))
    assert not [e for e in answered if isinstance(e, Committed)]
    assert turns.get(store, session, "q").state == "cancelled"


def test_a_photo_is_no_brush_mask(say, store, session, caplog):
    photo = history.graph(store, session).head.image
    events = say({"tool": "blur", "args": {}, "region": {"mask": photo}})
    [refused] = [e for e in events if isinstance(e, Refused)]
    assert (refused.code, end(events).state) == ("bad_arguments", "refused")
    assert "photo, not a mask" in refused.message
    assert caplog.records == []


MATCH = {"tool": "match_colors", "args": {"amount": 1}}
SEPIA = {"tool": "monochrome", "args": {"tone": "sepia"}}


def test_what_the_step_before_made_may_be_the_other_picture(say, store, session):
    events = say(SEPIA, MATCH | {"base": "#1", "subjects": ["prev"]})
    assert events[0].plan.steps[1].subjects == ("prev",)
    sepia, matched = [e.revision for e in events if isinstance(e, Committed)]
    assert matched.step.subjects == (sepia.id,)
    assert matched.parents != (sepia.id,)
    assert matched.id == revision_id(matched.parents, matched.step, matched.geometry, matched.image, matched.mask)
    told = say(MATCH | {"base": "#1", "subjects": ["#2"]})
    [again] = [e.revision for e in told if isinstance(e, Committed)]
    assert again.image == matched.image


def test_the_step_before_is_the_other_picture_after_a_crash_too(assistant, store, session):
    steps = [SEPIA, MATCH | {"base": "#1", "subjects": ["prev"]}]
    planned = assistant.propose(session, json.dumps({"steps": steps}), request_id="r")
    turns.take(store, session, "r", "gone")
    list(Run(store, planned, "gone").steps(Plan.model_validate(planned.plan).steps[:1]))
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE turns SET heartbeat = 0")
    [matched] = [e.revision for e in assistant.turn(session, "", request_id="r") if isinstance(e, Committed)]
    assert [store.revision(session, name).tool for name in matched.step.subjects] == ["monochrome"]


def test_the_first_step_has_nothing_before_it(say):
    events = say(MATCH | {"subjects": ["prev"]})
    assert (events[0].plan.refused, end(events).state) == ("not_found", "refused")


def test_a_brush_mask_is_a_region(say, store, session):
    mask = np.zeros((200, 240), np.uint8)
    mask[50:60, 70:90] = 255
    kept = store.keep(session, Picture(mask))
    with store.database.write() as connection:
        store.insert_pixels(connection, session, kept)
    region = {"mask": kept.image.hash}
    [made] = [e for e in say({"tool": "adjust", "args": {"exposure": 1}, "region": region}) if isinstance(e, Committed)]
    assert made.revision.facts["pixels_changed"] <= 200
    assert made.revision.facts["pixels_changed"] > 150
