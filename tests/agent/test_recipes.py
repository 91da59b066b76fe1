"""What a recipe says, how it travels, what is refused in one from elsewhere, and whose steps a sentence means."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from agent import recipe_files
from agent.assistant import Assistant
from agent.plan import Context, Plan
from agent.planners.rules import RulesPlanner
from agent.recipe_files import FILE_BYTES, admitted, bring, enclosing, left_out, pictures_of, read_recipe, receive
from agent.recipes import Brush, Enclosed, Recipe, differences, plan_of, recipe_of
from agent.replaying import replay
from sessions import history, intake
from sessions.errors import NotFound, PentimentoError, PlanError, Refused, TooLarge
from sessions.tiles import encode
from sessions.values import Asset, Picture
from tests.agent.conftest import ScriptedPlanner, end, png
from tests.agent.rules.everyday import CONTEXTS
from tests.agent.test_replay import PAINTED, lead, photo, recipe_at, tools_of
from tools import registry

ADJUST = {"tool": "adjust", "args": {"exposure": 0.3}}
FLIP = {"tool": "flip", "args": {"axis": "horizontal"}}
BLUR = {"tool": "blur", "region": {"words": "the top half"}}
HAT = Picture(data.coffee()[:40, :60])


@pytest.fixture
def recipe(store, session, say):
    """Three steps: a plain one, one with words, one with a brush mask."""
    brush = receive(store, session, Picture(PAINTED)).sha256
    say(ADJUST, BLUR, {"tool": "sharpen", "region": {"mask": brush}})
    return recipe_at(store, session)


@pytest.fixture
def matched(store, session, say):
    """One step that looks at another picture, which was attached."""
    other = receive(store, session, HAT, "hat.png").sha256
    events = say({"tool": "match_colors", "subjects": [other], "base": "head"}, files=[("hat.png", png(HAT.pixels))])
    assert end(events).state == "done"
    return recipe_at(store, session)


def test_a_recipe_says_what_was_asked_and_not_what_came_of_it(recipe, store, session):
    assert [step.tool for step in recipe.steps] == ["adjust", "blur", "sharpen"]
    assert recipe.steps[1].model_dump(mode="json")["region"] == {"words": "the top half"}
    assert (recipe.photo.name, recipe.photo.width, recipe.photo.height) == ("cat.png", 240, 200)
    graph = history.graph(store, session)
    assert recipe.photo.image == graph.revisions[0].image
    assert recipe.steps[0].seed == graph.revisions[1].step.seed
    assert "pixels" not in recipe.model_dump_json()


def test_of_a_revision_in_the_middle_it_has_the_steps_up_to_there(recipe, store, session):
    assert recipe_at(store, session, "#3").steps == recipe.steps[:2]


def test_a_merge_counts_as_the_steps_that_were_merged(store, session, say, assistant):
    say({"tool": "sharpen", "region": {"words": "the top half"}})
    say({"tool": "blur", "base": "#1", "region": {"words": "the bottom half"}})
    say(command={"name": "merge", "target": "main"})
    head = history.graph(store, session).head
    assert len(head.parents) == 2
    assert [step.tool for step in recipe_at(store, session).steps] == ["blur", "sharpen"]


def test_a_photo_with_a_very_long_name_has_a_recipe_too(recipe, store, session):
    graph = history.graph(store, session)
    root, *steps = graph.revisions
    long = recipe_of(replace(graph, revisions=(replace(root, name="x" * 5000), *steps)), steps[-1])
    assert long.name.endswith("x · main")
    assert (
        read_recipe(enclosing(long, pictures_of(store, session, long)).model_dump_json().encode()).steps == recipe.steps
    )


# Travelling


def test_written_and_read_it_gives_the_same_revisions_in_another_session(recipe, store, session, cat):
    text = enclosing(recipe, pictures_of(store, session, recipe)).model_dump_json()
    read = read_recipe(text.encode())
    assert read.key == recipe.key
    elsewhere = Assistant(store, ScriptedPlanner()).new(("cat.png", cat))[1]
    mine = bring(store, elsewhere.session, read, admitted(read))
    _, came = lead(replay(store, mine, elsewhere, "again"))
    assert came.head == history.graph(store, session).head.id


def test_other_pictures_travel_with_their_pixels(matched, store, session):
    read = read_recipe(enclosing(matched, pictures_of(store, session, matched)).model_dump_json().encode())
    [hat] = admitted(read).values()
    assert np.array_equal(hat.pixels, HAT.pixels)
    base = photo(store, data.astronaut()[:80, :80])
    mine = bring(store, base.session, read, admitted(read))
    assert store.asset(base.session, mine.steps[0].subjects[0]).kind == "image"
    _, came = lead(replay(store, mine, base, "again"))
    assert tools_of(store, base.session, came.head) == ["match_colors"]


def test_a_picture_attached_to_another_message_is_found_again(matched, store, session, say):
    events = say(command={"name": "replay", "target": "#1"})
    assert end(events).state == "done"
    assert end(events).revisions == (history.graph(store, session).revisions[1].id,)


def test_a_picture_too_large_to_travel_is_named_and_missed_in_words(matched, store, session, monkeypatch):
    monkeypatch.setattr(recipe_files, "SUBJECT_BYTES", 100)
    text = enclosing(matched, pictures_of(store, session, matched)).model_dump_json()
    read = read_recipe(text.encode())
    assert len(left_out(read)) == 1
    with pytest.raises(NotFound, match="did not travel"):
        admitted(read)


def test_in_its_own_session_its_pictures_keep_their_names(matched, recipe, store, session):
    assert bring(store, session, recipe, pictures_of(store, session, recipe)).steps == recipe.steps


def test_another_version_of_a_tool_is_said(recipe, monkeypatch):
    assert not list(differences(recipe))
    old = recipe.steps[0].model_copy(update={"tool_version": "0"})
    changed = recipe.model_copy(update={"steps": (old, *recipe.steps[1:])})
    assert "adjust is version 1 here and was 0" in plan_of(changed, None).notes[0]
    assert changed.key != recipe.key


# From elsewhere

FAULTS = [
    (lambda r: r["steps"].clear(), Refused, "steps"),
    (lambda r: r["steps"].extend(r["steps"] * 100), Refused, "steps"),
    (lambda r: r["steps"][0].update(tool="rm -rf"), PlanError, "Step 1 of the recipe .* no tool called 'rm -rf'"),
    (lambda r: r["steps"][0].update(args={"exposure": 7}), PlanError, "Step 1 of the recipe .* exposure"),
    (lambda r: r["steps"][0].update(args={"exposure": "bright"}), PlanError, "exposure"),
    (lambda r: r["steps"][0].update(args={"nonsense": 1}), PlanError, "nonsense"),
    (lambda r: r["steps"][0].update(tool="insert_subject", args={"subject": "a\x1b[31mcat"}), PlanError, "control"),
    (lambda r: r["steps"][1].update(region={"words": "the top\x07 half"}), PlanError, "control"),
    (lambda r: r["steps"][1].update(region={"box": [0, 0, "x", 1]}), Refused, "region"),
    (lambda r: r["steps"][1].update(region={"box": [0.5, 0, 0.2, 1]}), PlanError, "box"),
    (lambda r: r["steps"][1].update(region={"mask": "../../etc/passwd"}), Refused, "region"),
    (lambda r: r["steps"][1].update(region={"words": "x" * 5000}), Refused, "region"),
    (lambda r: r["steps"][1].update(subjects=["a" * 64]), PlanError, "no other picture"),
    (lambda r: r["steps"][0].update(seed=-1), Refused, "seed"),
    (lambda r: r.update(format=2), Refused, "format"),
    (lambda r: r.update(surprise=1), Refused, "surprise"),
    (lambda r: r["photo"].update(image="nothing"), Refused, "image"),
]


@pytest.mark.parametrize(("spoil", "kind", "said"), FAULTS)
def test_what_does_not_fit_is_refused_with_a_sentence(recipe, spoil, kind, said):
    raw = json.loads(recipe.model_dump_json())
    spoil(raw)
    with pytest.raises(kind) as refused:
        read_recipe(json.dumps(raw).encode())
    assert re.search(said, refused.value.message)
    assert len(refused.value.message) < 300


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format":1}', b'{"a":' * 5000 + b"1" + b"}" * 5000],
)
def test_what_is_no_recipe_is_refused(data):
    with pytest.raises(Refused, match="not a recipe"):
        read_recipe(data)


def test_a_file_beyond_the_limit_is_not_read():
    with pytest.raises(TooLarge, match="limit"):
        read_recipe(b" " * (FILE_BYTES + 1))


@pytest.mark.parametrize("enclosed", ["!!!", "", "aGVsbG8=", None])
def test_an_enclosed_picture_goes_through_the_door(recipe, enclosed):
    mask = recipe.steps[2].region.mask
    spoilt = recipe.model_copy(update={"enclosed": {}})
    raw = json.loads(spoilt.model_dump_json()) | {"enclosed": {mask: {"kind": "mask", "name": "x", "data": enclosed}}}
    with pytest.raises(PentimentoError) as refused:
        admitted(read_recipe(json.dumps(raw).encode()))
    assert isinstance(refused.value, Refused | NotFound)


def test_small_files_of_large_pictures_are_opened_only_as_far_as_there_is_room(recipe, monkeypatch):
    names = [f"{number:064x}" for number in range(5)]
    steps = [recipe.steps[2].model_copy(update={"region": Brush(mask=name)}) for name in names]
    flat = Enclosed(kind="mask", name="brush", data=base64.b64encode(encode(np.zeros((100, 100), np.uint8))).decode())
    many = recipe.model_copy(update={"steps": tuple(steps), "enclosed": dict.fromkeys(names, flat)})
    opened = []
    admit = intake.admit
    monkeypatch.setattr(recipe_files, "UNPACKED_BYTES", 25_000)
    monkeypatch.setattr(intake, "admit", lambda data: (opened.append(1), admit(data))[1])
    with pytest.raises(TooLarge, match="unpack"):
        admitted(read_recipe(many.model_dump_json().encode()))
    assert len(opened) == 3


def test_what_is_written_is_within_what_is_opened(matched, store, session, monkeypatch):
    monkeypatch.setattr(recipe_files, "UNPACKED_BYTES", HAT.pixels.nbytes - 1)
    assert len(left_out(enclosing(matched, pictures_of(store, session, matched)))) == 1
    monkeypatch.setattr(recipe_files, "UNPACKED_BYTES", HAT.pixels.nbytes)
    whole = enclosing(matched, pictures_of(store, session, matched))
    assert [picture.size for picture in admitted(whole).values()] == [HAT.size]


def test_what_a_picture_is_used_for_decides_and_not_what_it_is_called(recipe, matched, store, session):
    both = recipe.model_copy(update={"steps": recipe.steps + matched.steps})
    pictures = pictures_of(store, session, both)
    whole = enclosing(both, pictures)
    other = {"mask": "subject", "subject": "mask"}
    called = {name: one.model_copy(update={"kind": other[one.kind]}) for name, one in whole.enclosed.items()}
    read = admitted(whole.model_copy(update={"enclosed": called}))
    assert [picture.mode for picture in read.values()] == ["L", "RGB"]
    assert all(np.array_equal(read[name].pixels, pictures[name].pixels) for name in pictures)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
STEP = {"tool": "adjust", "tool_version": "1", "args": {}, "seed": 0}
BARE = {"format": 1, "name": "x", "photo": {"name": "x", "image": "0" * 64, "width": 1, "height": 1}, "steps": [STEP]}


@settings(max_examples=150, deadline=None)
@given(data=st.data(), value=values)
def test_nothing_but_errors_of_ours_leaves_the_reader(data, value):
    raw = json.loads(json.dumps(BARE))
    place = data.draw(st.sampled_from([raw, raw["photo"], raw["steps"][0]]))
    name = data.draw(st.sampled_from([*place, "args", "region", "subjects", "enclosed", "tool"]))
    place[name] = data.draw(st.sampled_from([*registry.registered(), value])) if name == "tool" else value
    try:
        assert isinstance(read_recipe(json.dumps(raw).encode()), Recipe)
    except PentimentoError as error:
        assert error.message


# In words

TWO = CONTEXTS["two_photos"]
"""main: cat.jpg, flipped; dog (current): dog.jpg, brighter."""
SENT = Context(
    TWO.branch,
    TWO.head,
    TWO.branches,
    TWO.revisions,
    TWO.words,
    None,
    (Asset("0" * 64, "local", "image", "image/png"),),
)


@pytest.mark.parametrize(
    ("message", "target", "other"),
    [
        ("do to this what you did to the cat", "#4", "main"),
        ("do what you did to the cat to this one too", "#4", "main"),
        ("do to this photo exactly what you did to the cat one", "#4", "main"),
        ("do the same to this one as you did with the cat", "#4", "main"),
        ("apply the cat's recipe to this photo", "#4", "main"),
        ("apply the edits of main to this one", "#4", "main"),
        ("apply what I did on the dog to the cat too", "main", None),
        ("do the same steps on the cat photo as you did with the dog", "main", None),
        ("do the same to the other photo", "main", None),
        ("apply the cat's edits to the dog as well", "dog", "main"),
        ("do the same edits to the dog that I did on the cat", "dog", "main"),
        ("give the dog the same recipe as the cat", "dog", "main"),
        ("copy the edits from the cat to the dog", "dog", "main"),
        ("replay #2 on #3", "#3", "#2"),
    ],
)
def test_whose_steps_and_where(message, target, other):
    command = RulesPlanner().plan(message, TWO).command
    assert (command.name, command.target, command.other) == ("replay", target, other)


@pytest.mark.parametrize("message", ["apply these edits to the attached photo", "do the same to this photo"])
def test_the_attached_photo_is_meant_where_one_is_attached_and_asked_for_where_none_is(message):
    sent = RulesPlanner().plan(message, SENT)
    assert (sent.command.name, sent.command.target, sent.ask) == ("replay", None, None)
    assert RulesPlanner().plan(message, TWO).ask is not None


@pytest.mark.parametrize("message", ["replay the moon on the cat", "apply the unicorn's edits to the dog"])
def test_steps_of_what_is_not_there_are_not_done(message):
    plan = RulesPlanner().plan(message, TWO)
    assert plan.command is None
    assert not plan.steps


def test_in_a_conversation_the_words_do_what_they_say(store, session, cup, say):
    say(ADJUST, FLIP)
    assistant = Assistant(store, RulesPlanner())
    events = list(assistant.turn(session, "do the same to the attached photo", [("cup.png", cup)]))
    assert end(events).state == "done"
    assert tools_of(store, session, end(events).revisions[-1]) == ["adjust", "flip"]
    plan = next(event.plan for event in events if hasattr(event, "plan"))
    assert isinstance(plan, Plan)
    assert [step.tool for step in plan.steps] == ["adjust", "flip"], "the card shows the steps"
    assert recipe_of(history.graph(store, session), history.graph(store, session).head).photo.name == "cup.png"
