"""Dialogues in which something else shapes a picture: legal plans, and the scene that is meant, by exact truth."""

import re
from collections import defaultdict

import pytest

from tools.registry import registered
from toybox import phrases, words
from toybox.dialogues import KINDS, resumed, shaping
from toybox.phrases import UNSEEN
from toybox.scenes import HELD_OUT
from toybox.sounds import NAMES
from training.encoder_scenes import true_of

COUNT = 600
LOOK = ("pattern", "ground", "light", "weather", "style", "tone")


@pytest.fixture(scope="module")
def many():
    return [shaping(seed) for seed in range(COUNT)]


def parts(many):
    """(dialogue, its first step, the scene before it, the scene after it), where the world knows both."""
    for one in many:
        step = one.written.steps[0]
        if one.results[0] is not None:
            yield one, step, one.items[step.base].scene, one.results[0]


def test_every_plan_is_any2pix_s_and_legal(many):
    tool = registered()["any2pix"]
    for one in many:
        step, *then = one.written.steps
        assert step.tool == "any2pix" and step.args == {} and step.where is None
        assert tool.subjects[0] < len(step.subjects) <= tool.subjects[1]
        assert one.items[step.base].kind == "picture" and step.base not in step.subjects
        assert all(later.base == "prev" and later.tool != "any2pix" for later in then)
        assert set(one.attachments) <= {step.base, *step.subjects}
        assert len(one.results) == len(one.written.steps)


def test_after_a_sound_the_picture_shows_what_it_stands_for(many):
    heard = defaultdict(int)
    for one, step, before, after in parts(many):
        for ref in step.subjects:
            name = one.items[ref].sound
            if name is not None:
                assert not true_of(name, before) and true_of(name, after), name
                heard[name] += 1
    assert set(heard) == set(NAMES)


def test_it_takes_the_look_of_another_picture_and_keeps_its_things(many):
    seen = defaultdict(int)
    for one, step, before, after in parts(many):
        first, *third = (one.items[ref] for ref in step.subjects)
        if first.kind == "sound":
            continue
        assert [getattr(after, name) for name in LOOK] == [getattr(first.scene, name) for name in LOOK]
        shapes = {thing.shape for thing in after.things}
        seen[len(third)] += 1
        if not third:
            assert after.things == before.things
            continue
        found = re.search(r"with the (\w+) (?:(\w+) )?(?:of|from)", one.message)
        named = found[2] or found[1]
        assert named == "subject" or named in shapes & {thing.shape for thing in third[0].scene.things}
        assert any(
            (a.shape, a.colour, a.texture) == (b.shape, b.colour, b.texture)
            for a in after.things
            for b in third[0].scene.things
        )
        assert 1 <= len(after.things) <= 3
        assert len({thing.slot for thing in after.things}) == len(shapes) == len(after.things)
    assert min(seen[0], seen[1]) > 40


def test_attached_pictures_are_called_in_their_order(many):
    both = 0
    for one in many:
        step = one.written.steps[0]
        sent = [place for place in one.attachments if one.items[place].kind == "picture"]
        said = re.findall(r"(first|second) attached", one.message)
        assert sorted(said) in ([], ["first", "second"]) and bool(said) == (len(sent) == 2)
        if said:
            assert [ref for ref in (step.base, *step.subjects) if ref in sent] == sent
            both += 1
    assert both > 20


def test_words_alone_do_not_say_what_comes_of_it(many):
    results = defaultdict(set)
    for one, step, _, after in parts(many):
        if one.items[step.subjects[0]].kind == "sound":
            results[one.message].add(after)
    assert max(len(found) for found in results.values()) > 3


def test_a_history_may_have_been_shaped_already(many):
    made = [item for one in many for item in one.items if item.tool == "any2pix"]
    assert len(made) > 50 and all(re.search("sound|hear", item.made_by) for item in made)


def test_what_a_sound_has_shaped_says_nothing_about_what_is_wished_next():
    some = [resumed(seed) for seed in range(200)]
    after = [one for one in some if any(item.tool == "any2pix" for item in one.items)]
    assert len(after) > 120 and {one.kind for one in after} == set(KINDS)
    assert not any(step.tool == "any2pix" for one in some for step in one.written.steps)
    assert [resumed(seed) for seed in range(10)] == some[:10]


def test_what_is_held_out_is_never_said_and_then_always(monkeypatch):
    monkeypatch.setattr(phrases, "UNSEEN", {k: tuple(f"¤{p}" for p in v) for k, v in UNSEEN.items()})
    monkeypatch.setattr(words, "HELD_OUT_PHRASINGS", {kind: f"¤{p}" for kind, p in words.HELD_OUT_PHRASINGS.items()})

    def pairs(one):
        scenes = [*(item.scene for item in one.items), *one.results]
        return {(thing.shape, thing.colour) for scene in scenes if scene for thing in scene.things}

    for seed in range(300):
        one = shaping(seed)
        assert "¤" not in one.message and not HELD_OUT & pairs(one), one.message
    held = [one for seed in range(200) if None not in (one := shaping(seed, held_out=True)).results]
    assert len(held) > 60 and all("¤" in one.message or HELD_OUT & pairs(one) for one in held)
