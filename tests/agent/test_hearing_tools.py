"""A step may work with sounds where its tool hears: on its way from the message to the tool, and later in history."""

import io
import json
import os
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import soundfile
from pydantic import Field

from agent import asking, latents, recipe_files
from agent.assistant import Assistant
from agent.events import Asked, Committed
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from agent.recipe_files import admitted, bring, enclosing, left_out, pictures_of, read_recipe
from agent.recipes import recipe_of, steps_of
from agent.replaying import replay
from agent.turns import check_call
from sessions import history, turns, uploads
from sessions.bundle import export_session, import_session
from sessions.errors import NotFound, PlanError, Refused, Unsure
from sessions.fsck import fsck
from sessions.intake import Admitted
from sessions.store import Store
from sessions.upkeep import gc
from sessions.values import Picture
from tests.agent.conftest import ScriptedPlanner, end
from tests.agent.test_familiar import line
from tests.agent.test_replay import lead, recipe_at
from tests.tools.waves import rising
from tools import registry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool

seen: list[EditContext] = []


class HushArgs(ToolArgs):
    amount: float = Field(default=1.0, ge=0, le=1)
    doubtful: bool = False


@tool("hush", args=HushArgs, region="optional", subjects=(1, 2), hears=True)
def hush(ctx: EditContext, args: HushArgs) -> Edit:
    """Make a picture as dark as its sounds are loud."""
    seen.append(ctx)
    yield Progress(0.5)
    if args.doubtful and not ctx.confirmed:
        raise Unsure("Is this loud?", "Say yes.", 0.3)
    return EditResult(hushed(ctx.image, sum(loudness(sound.samples) for sound in ctx.sounds) * args.amount))


def hushed(picture: Picture, loud: float) -> Picture:
    return Picture((picture.pixels * (1 - min(loud, 0.9))).astype(np.uint8))


def loudness(samples: np.ndarray) -> float:
    return float(np.abs(samples).mean())


def wav(samples: np.ndarray, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


RAIN = "rain.wav", wav(rising(8000))
BELL = "bell.wav", wav(0.5 * rising(6000))
HUSH = {"tool": "hush"}


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setattr(registry, "registered", lambda found=registry.registered(): found | {"hush": hush})
    seen.clear()


@pytest.fixture
def rainy(say):
    """A session with one step that heard the rain."""
    return made(say(HUSH, files=[RAIN]))[0]


def made(events: list) -> list:
    return [event.revision for event in events if isinstance(event, Committed)]


def refused(events: list) -> str:
    assert end(events).state == "refused" and not made(events)
    return end(events).reply


# From the message to the tool


def test_an_attached_sound_is_heard_by_a_step_that_hears(rainy, store, session):
    [rain] = rainy.step.subjects
    assert store.asset(session, rain).kind == "audio" and store.asset(session, rain).name == "rain.wav"
    before = store.picture(session, history.graph(store, session).revisions[0].image)
    [sound] = seen[0].sounds
    assert sound.rate == 16_000 and np.abs(sound.samples - rising(8000)).max() < 1e-4 and not seen[0].subjects
    after = store.picture(session, rainy.image)
    assert np.array_equal(after.pixels, hushed(before, loudness(sound.samples)).pixels)
    assert after.pixels.mean() < 0.9 * before.pixels.mean()
    assert not list(fsck(store, session))


def test_a_step_records_others_in_their_order_and_a_tool_gets_them_apart(say, store, session):
    rain, bell = (made(say(HUSH, files=[one]))[0].step.subjects[0] for one in (RAIN, BELL))
    [both] = made(say(HUSH | {"subjects": ["A1", "#1"], "base": "#1"}, files=[BELL]))
    root = history.graph(store, session).revisions[0]
    assert both.step.subjects == (bell, root.id)
    [two] = made(say(HUSH | {"subjects": ["A2", "A1"], "base": "#1"}, files=[RAIN, BELL]))
    assert two.step.subjects == (bell, rain)
    assert [len(ctx.subjects) for ctx in seen] == [0, 0, 1, 0]
    assert [[len(sound.samples) for sound in ctx.sounds] for ctx in seen] == [[8000], [6000], [6000], [6000, 8000]]


def test_a_sound_of_an_earlier_message_is_named_by_its_hash(say, rainy):
    [again] = made(say(HUSH | {"subjects": list(rainy.step.subjects), "base": "#1"}))
    assert again.step.subjects == rainy.step.subjects


@pytest.mark.parametrize("subjects", [["A1"], ["RAIN"]], ids=["attached", "in the session"])
def test_a_tool_for_pictures_is_not_begun_with_a_sound(say, rainy, store, session, subjects):
    subjects = [rainy.step.subjects[0] if name == "RAIN" else name for name in subjects]
    events = say(HUSH | {"subjects": ["#1"]}, {"tool": "match_colors", "subjects": subjects}, files=[RAIN])
    assert refused(events) == "match_colors works with pictures; rain.wav is a sound. Name a picture."
    assert len(seen) == 1 and len(history.graph(store, session).revisions) == 2


def test_no_step_begins_with_a_sound(say, rainy):
    [rain] = rainy.step.subjects
    assert refused(say(HUSH | {"base": rain, "subjects": ["#1"]})) == (
        "hush needs a picture, and rain.wav is a sound. Name a picture."
    )


def test_only_steps_that_hear_are_given_what_nobody_named(say):
    hushed, flipped, again = made(say(HUSH, {"tool": "flip", "args": {"axis": "vertical"}}, HUSH, files=[RAIN]))
    assert hushed.step.subjects == again.step.subjects != () and flipped.step.subjects == ()
    first, second = made(say(HUSH | {"subjects": ["A1"]}, HUSH | {"subjects": ["#1"]}, files=[RAIN]))
    assert len(first.step.subjects) == len(second.step.subjects) == 1
    [third] = made(say(HUSH | {"subjects": ["#1"]}, files=[BELL]))
    assert len(third.step.subjects) == 2


def test_more_than_it_takes_and_none_at_all_are_told_in_numbers(say):
    needs = "hush needs 1 to 2 other pictures or sounds, and {}. Attach photos or sounds, or name pictures of this"
    assert refused(say(HUSH)).startswith(needs.format("none is named"))
    said = refused(say(HUSH | {"subjects": ["#1"]}, files=[RAIN, BELL]))
    assert said.startswith(needs.format("3 are named"))


def test_a_photo_goes_with_a_sound_where_so_many_are_needed(say, store, session, cup):
    [both] = made(say(HUSH, files=[("cup.png", cup), RAIN]))
    assert [store.asset(session, name).kind for name in both.step.subjects] == ["image", "audio"]
    assert both.parents == (history.graph(store, session).revisions[0].id,)


def test_a_sound_answers_which_other_one_is_meant(say, assistant, session):
    ask = {"question": "Which one?", "slot": "steps.0.subjects.0", "candidates": []}
    assert end(say(HUSH, ask=ask)).state == "waiting"
    [revision] = made(list(assistant.turn(session, "this", files=[RAIN])))
    assert revision.tool == "hush" and len(seen[0].sounds) == 1
    assert end(say({"tool": "match_colors"}, ask=ask)).state == "waiting"
    assert end(list(assistant.turn(session, "this", files=[RAIN]))).reply == "I did not understand that."


def test_a_doubt_about_what_is_heard_is_asked_and_asked_again(say, assistant, store, session):
    [asked] = [event for event in say(HUSH | {"args": {"doubtful": True}}, files=[RAIN]) if isinstance(event, Asked)]
    [turn] = turns.open_turns(store, session)
    assert asking.again(store, turn).ask == asked.ask and len(seen[-1].sounds) == 1 and len(seen) == 2
    assert len(made(list(assistant.turn(session, "yes")))) == 1


# What is stored is damaged


def kept(store: Store, session: str, flac: bytes) -> str:
    return uploads.receive(store, session, Admitted("audio", "audio/flac", None, flac, 0.5, flac), "odd.wav").sha256


def flac(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format="FLAC", subtype="PCM_16")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"fLaC and no more", "damaged_file"),
        (flac(rising(61 * 16_000)), "too_large"),
        (wav(np.zeros(0)), "damaged_file"),
    ],
    ids=["no sound", "too long", "no time"],
)
def test_a_sound_that_is_none_ends_the_step_in_a_sentence(say, store, session, data, code):
    name = kept(store, session, data)
    before = history.graph(store, session)
    last = end(say(HUSH | {"subjects": [name]}, request_id="r"))
    assert last.state == "refused" and "0x" not in last.reply
    assert turns.get(store, session, "r").outcome["error"]["code"] == code
    assert history.graph(store, session).revisions == before.revisions and not seen
    assert made(say({"tool": "flip", "args": {"axis": "vertical"}}))


def test_bytes_that_rotted_are_found_out(say, store, session, rainy):
    [rain] = rainy.step.subjects
    [file] = (store.home / "blobs" / session).glob(f"{rain}*")
    file.write_bytes(file.read_bytes()[:-9] + b"otherwise")
    last = end(say(HUSH | {"subjects": [rain]}, request_id="r"))
    assert last.state == "refused" and "0x" not in last.reply
    assert turns.get(store, session, "r").outcome["error"]["code"] == "blob_damaged"
    assert len(history.graph(store, session).revisions) == 2


# History


def test_undo_and_redo_come_back_to_it(say, rainy, store, session):
    say(command={"name": "undo"})
    assert history.graph(store, session).head.seq == 1
    say(command={"name": "redo"})
    assert history.graph(store, session).head.id == rainy.id and len(seen) == 1


def test_replayed_in_its_session_it_is_the_same_revision(say, rainy):
    events = say(command={"name": "replay", "target": "#1"}, files=[BELL])
    assert end(events).revisions == (rainy.id,)
    assert len(seen) == 2 and len(seen[1].sounds) == 1


def test_a_merge_hears_it_again(say, rainy, store, session):
    say({"tool": "flip", "args": {"axis": "vertical"}, "base": "#1"})
    events = say(command={"name": "merge", "target": "main"})
    assert end(events).state == "done"
    head = history.graph(store, session).head
    assert head.facts["replayed"] == [rainy.id] and len(seen) == 2
    assert np.array_equal(seen[0].sounds[0].samples, seen[1].sounds[0].samples)


def test_two_sounds_are_two_steps_to_a_merge_and_one_is_one(say, rainy, store, session, cat):
    [same, other] = [made(say(HUSH | {"base": "#1"}, files=[one]))[0] for one in (RAIN, BELL)]
    assert same.step.subjects == rainy.step.subjects != other.step.subjects
    assert end(say(command={"name": "merge", "target": "main"})).state == "waiting"


@pytest.mark.parametrize("strange", [("a photo",), ("a sound", "a photo")])
def test_a_sound_brings_no_other_picture_in(strange, monkeypatch):
    monkeypatch.setattr(latents, "_made_by", lambda shelf, one, tool: bool(one.made_with["weights"]))
    for others, known in ((("a sound",), True), (strange, False)):
        graph = replace(line(("instruct_pix2pix", "own", ()), ("hush", "", others)), sounds={"a sound": "rain.wav"})
        assert latents.familiar(None, graph, graph.revisions[-1], "instruct_pix2pix") is known


def test_gc_leaves_a_sound_that_a_step_refers_to(rainy, store, session, say):
    folder = store.home / "blobs" / session
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    assert not list(gc(store, timedelta(hours=24)))
    assert end(say(command={"name": "replay", "target": "#1"})).revisions == (rainy.id,)


def test_a_session_travels_with_its_sounds(rainy, store, session, tmp_path, new_database):
    export_session(store, session, tmp_path / "session.zip")
    other = Store(tmp_path / "elsewhere")
    import_session(other, tmp_path / "session.zip")
    assert other.asset_bytes(session, rainy.step.subjects[0]) == store.asset_bytes(session, rainy.step.subjects[0])
    again = Assistant(other, Given(Plan.model_validate({"command": {"name": "replay", "target": "#1"}})))
    assert end(list(again.turn(session, "again"))).revisions == (rainy.id,)
    assert not list(fsck(other, session))
    other.close()


# Recipes


def travelling(store: Store, session: str) -> bytes:
    recipe = recipe_at(store, session)
    return enclosing(recipe, pictures_of(store, session, recipe)).model_dump_json().encode()


def test_a_recipe_travels_with_its_sounds(rainy, store, session, cat):
    read = read_recipe(travelling(store, session))
    [enclosed] = read.enclosed.values()
    assert enclosed.kind == "sound" and not left_out(read)
    elsewhere = Assistant(store, ScriptedPlanner()).new(("cat.png", cat))[1]
    mine = bring(store, elsewhere.session, read, admitted(read))
    assert store.asset(elsewhere.session, mine.steps[0].subjects[0]).kind == "audio"
    assert bring(store, elsewhere.session, read, admitted(read)).steps == mine.steps
    _, came = lead(replay(store, mine, elsewhere, "again"))
    assert came.head == rainy.id and not came.left_out


def test_a_sound_too_large_to_travel_is_missed_in_words(rainy, store, session, monkeypatch):
    monkeypatch.setattr(recipe_files, "SUBJECT_BYTES", 100)
    read = read_recipe(travelling(store, session))
    assert len(left_out(read)) == 1
    with pytest.raises(NotFound, match="1 sounds that did not travel"):
        admitted(read)


def test_a_recipe_that_has_a_tool_for_pictures_hear_is_refused(rainy, store, session):
    recipe = json.loads(travelling(store, session))
    recipe["steps"].append(recipe["steps"][0] | {"tool": "match_colors", "args": {}})
    with pytest.raises(Refused, match="encloses a sound"):
        admitted(read_recipe(json.dumps(recipe).encode()))


def test_a_recorded_step_is_given_nothing_that_is_attached(rainy, store, session):
    graph = history.graph(store, session)
    plan = Plan(steps=steps_of(recipe_of(graph, rainy), graph.revisions[0].id))
    [again] = made(list(Assistant(store, Given(plan)).turn(session, "again", files=[BELL])))
    assert again.step.subjects == rainy.step.subjects


def test_how_many_sounds_a_step_takes_is_checked_by_the_call():
    with pytest.raises(PlanError, match="1 to 2 other pictures or sounds"):
        check_call(PlanStep(tool="hush"))
