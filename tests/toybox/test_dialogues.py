"""Dialogues: their plans are legal, their truth is the world's, what is held out is never said, pairs differ in one."""

import json
import re
import time
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from agent.grammar import Written
from tools.registry import registered
from toybox import phrases, words
from toybox.dialogues import KINDS, dialogue, four, pair, pixels, referring, samples, several
from toybox.edits import Light, Tone
from toybox.executing import edit_of
from toybox.history import Item
from toybox.joint import TOLD_OF
from toybox.phrases import NTH, SAID, UNSEEN, spoken, vocabulary
from toybox.scenes import COLOURS, HELD_OUT, LIGHTS, SHAPES, SIZES, SLOTS, STYLES, TEXTURES, WEATHERS, seeded
from toybox.sounds import MEANINGS
from toybox.wishes import EFFECTS

COUNT = 500


@pytest.fixture(scope="module")
def many():
    return [dialogue(seed) for seed in range(COUNT)]


@pytest.fixture(scope="module")
def held():
    return [dialogue(seed, held_out=True) for seed in range(COUNT // 2)]


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)


def test_every_plan_is_legal(many, held):
    for one in [*many, *held]:
        written = one.written
        assert sum(bool(part) for part in (written.steps, written.ask, written.chat)) == 1
        assert len(written.steps) <= 8
        for place, step in enumerate(written.steps):
            tool = registered()[step.tool]
            tool.args.model_validate(step.args)
            fields = list(tool.args.model_fields)
            assert [fields.index(name) for name in step.args] == sorted(fields.index(name) for name in step.args)
            assert tool.subjects[0] <= len(step.subjects) <= tool.subjects[1]
            assert step.where is None or tool.region != "none"
            assert step.where or tool.region != "required"
            assert all(len(text) <= 120 for text in strings(step.args | {"where": step.where or ""}))
            for ref in (step.base, *step.subjects):
                assert place > 0 if ref == "prev" else one.items[ref].kind == "picture"
        for ref in written.candidates:
            assert one.items[ref].kind == "picture"
        assert 2 <= len(written.candidates) <= 4 if written.ask else not written.candidates
        assert len(one.results) == len(written.steps)


def test_attachments_come_last_and_the_rest_is_a_tree(many):
    for one in many:
        past = len(one.items) - len(one.attachments)
        assert one.attachments == tuple(range(past, len(one.items)))
        assert 0 <= one.head < past
        for i, item in enumerate(one.items):
            assert (item.parent is None) == (item.made_by is None) == (item.tool is None)
            assert item.parent is None or item.parent < i
            assert item.kind == "picture" or i in one.attachments


STATES = {"light": LIGHTS, "weather": WEATHERS, "style": STYLES}


def edited(instruction, scene):
    """What an instruction makes of a scene, told from its words alone; None for what it does not know."""

    def with_thing(shape, **changes):
        return replace(scene, things=tuple(replace(t, **changes) if t.shape == shape else t for t in scene.things))

    if found := re.fullmatch(r"make the (\w+) (\w+)", instruction):
        shape, word = found.groups()
        if shape == "background":
            return replace(scene, ground=word)
        if word in SIZES:
            return with_thing(shape, radius=SIZES[word])
        return with_thing(shape, **{"colour" if word in COLOURS else "texture": word})
    if found := re.fullmatch(r"make the background (\w+) (\w+)", instruction):
        return replace(scene, pattern=found[1], ground=found[2])
    if found := re.fullmatch(r"move the (\w+) to the (\w+ \w+)", instruction):
        x, y = SLOTS[found[2]]
        return with_thing(found[1], slot=found[2], x=x, y=y)
    if found := re.fullmatch(r"remove the (\w+)", instruction):
        return replace(scene, things=tuple(t for t in scene.things if t.shape != found[1]))
    if found := re.fullmatch(r"make it (\w+)", instruction):
        return replace(scene, **{next(name for name, values in STATES.items() if found[1] in values): found[1]})
    return None


def test_the_scene_after_a_step_is_what_its_instruction_says(many):
    checked = Counter()
    for one in many:
        for place, (step, result) in enumerate(zip(one.written.steps, one.results, strict=True)):
            if step.tool != "instruct_pix2pix" or result is None:
                continue
            before = one.items[step.base].scene if step.base != "prev" else one.results[place - 1]
            after = edited(step.args["instruction"], before)
            if after is not None:
                assert after == result != before
                checked[step.args["instruction"].split()[-1]] += 1
    assert checked.total() > 80
    assert {"snowy", "comic", "small", "dotted", "left", "night", "red"} <= set(checked)


TRAITS = {"colour": COLOURS, "texture": TEXTURES, "size": SIZES}


def test_a_history_shows_what_happened_in_it(many):
    seen = Counter()
    for one in many:
        for item in one.items:
            if item.parent is None:
                continue
            before, after = one.items[item.parent].scene, item.scene
            if found := re.fullmatch(r"the (\w+) got (\w+)", item.event):
                if found[1] != "background":
                    was, now = before.thing(found[1]), after.thing(found[1])
                    name = next(name for name, values in TRAITS.items() if found[2] in values)
                    assert getattr(was, name) != found[2] == getattr(now, name)
                else:
                    assert before.ground != found[2] == after.ground
            elif found := re.fullmatch(r"the (\w+) moved", item.event):
                assert before.thing(found[1]).slot != after.thing(found[1]).slot
            elif found := re.fullmatch(r"it got (clear|rainy|snowy|foggy)", item.event):
                assert before.weather != found[1] == after.weather
            elif found := re.fullmatch(r"it got (plain|comic|negative)", item.event):
                assert before.style != found[1] == after.style
            elif item.event == "it got dark":
                assert before.light != "night" == after.light
            elif item.event.endswith(" went away"):
                assert len(after.things) == len(before.things) - 1
            elif item.darkroom != one.items[item.parent].darkroom:
                assert before == after and item.tool == item.darkroom[-1][0]
            seen[item.event.split()[-1]] += 1
    assert len(seen) > 20


def showing(one, said):
    """The pictures of which "the red disc", "the small disc" or "the disc" is true."""
    *word, shape = said.split()
    return [
        i
        for i, item in enumerate(one.items)
        if item.kind == "picture"
        and any(t.shape == shape and set(word) <= {t.colour, t.texture, t.size} for t in item.scene.things)
    ]


def meant(one):
    """The pictures that a plan names or asks about, and are not there by default."""
    refs = [*one.written.candidates, *(r for s in one.written.steps for r in (s.base, *s.subjects) if r != "prev")]
    return [ref for ref in refs if ref != one.head] or refs


TRAIT = "|".join((*COLOURS, *TEXTURES, *SIZES))
NAMED = rf"(?:one with|picture with|picture of) the ((?:(?:{TRAIT}) )?(?:{'|'.join(SHAPES)}))\b"
STATED = r"the (night|warm|cool|rainy|snowy|foggy|comic|negative|sepia|grey) (?:picture|one)\b"


def test_names_fit_the_picture_that_is_meant_and_no_other(many):
    counts = Counter()
    for one in many:
        if one.kind not in ("history", "ask") or "analogy" in [step.tool for step in one.written.steps]:
            continue
        told = one.message
        if found := re.search(NAMED, told):
            fits = showing(one, found[1])
            assert fits == sorted(one.written.candidates) if one.written.ask else len(fits) == 1
            if one.written.steps and one.written.steps[0].tool not in ("instruct_pix2pix",):
                assert fits[0] in meant(one)
            counts["content"] += 1
            counts["trait"] += found[1].split()[0] in (*TEXTURES, *SIZES)
        elif found := re.search(STATED, told):
            fits = [
                i
                for i, item in enumerate(one.items)
                if item.kind == "picture" and found[1] in vars(item.scene).values()
            ]
            assert fits == sorted(one.written.candidates) if one.written.ask else len(fits) == 1
            counts["state"] += 1
        elif found := re.search(r"#(\d+)|the (\w+) (?:picture|one)\b", told):
            place = int(found[1]) - 1 if found[1] else NTH.index(found[2]) if found[2] in NTH else None
            if place is not None and one.written.steps[0].tool != "instruct_pix2pix":
                assert place in meant(one) or place == one.head
                counts["ordinal"] += 1
        if "the original" in told and one.written.steps[0].base not in (one.head,):
            root = one.head
            while one.items[root].parent is not None:
                root = one.items[root].parent
            assert one.written.steps[0].base == root
            counts["original"] += 1
        if found := re.search(r"from before (it was \w+|it got \w+$|the \w+ (?:went away|became an? \w+))", told):
            after = [i for i, item in enumerate(one.items) if item.event == found[1]]
            if after and one.written.steps[0].tool != "instruct_pix2pix":
                assert len(after) == 1 and one.items[after[0]].parent in [*meant(one), one.head]
                counts["before"] += 1
    assert min(counts[name] for name in ("content", "trait", "state", "ordinal", "original", "before")) >= 3, counts


def test_what_a_plan_calls_a_thing_is_there_and_in_colour(many, held):
    """Tools find things by their colour, so a plan names it, also where the message does not."""
    counts = Counter()
    for one in [*many, *held]:
        if not one.written.steps:
            continue
        step = one.written.steps[0]
        pairs = ((step.where, step.base), (step.args.get("subject"), *step.subjects))
        for named, ref in (both for both in pairs if both[0] and both[0] != "the background"):
            _, colour, shape = named.split()
            scene = one.items[ref].scene
            assert scene.thing(shape).colour == colour and scene.tone == "colour"
            counts[named in one.message] += 1
    assert min(counts[True], counts[False]) > 10


def test_a_sound_decides_where_words_do_not():
    """The same words with another sound have another plan; and the plan says what the sound stands for."""
    plans = defaultdict(set)
    for seed in range(2500):
        one = dialogue(seed)
        heard = [item.sound for item in one.items if item.kind == "sound"]
        if one.kind == "single" and heard:
            meaning, (step,) = MEANINGS[heard[0]], one.written.steps
            said = "neutral" if heard[0] == "organ" else meaning.value
            assert said in json.dumps(step.args) + (step.where or "")
            assert meaning.value not in spoken(one.message)
            plans[one.message].add(json.dumps(step.args))
    assert max(len(found) for found in plans.values()) >= 4


def test_everyday_work_and_edits_of_the_scene_are_never_said_alike():
    """What is the darkroom's, of the picture or a part, is no edit in any phrasing; but for tones, which are one."""
    named = ("it", "this picture", "the attached picture", "the background", *(f"the {shape}" for shape in SHAPES))
    for family in EFFECTS:
        for phrase in (*SAID[family], *UNSEEN.get(family, ())):
            for name in named if EFFECTS[family].part else named[:3]:
                said = phrase.format(it=name)
                assert edit_of(said) is None or (family == "sepia" and edit_of(said) == Tone("sepia")), said


def test_it_is_said_how_a_message_names_a_picture(many):
    asked = {one.reference for one in many if one.kind == "history"}
    assert asked >= {"latest", "ordinal", "original", "previous", "content", "before", "where", "again"}
    for one in many:
        if one.kind in ("single", "steps"):
            assert one.reference != "attached" or one.attachments
        if one.reference in ("before", "where", "again") and one.written.steps:
            assert any(item.event and item.event in one.message for item in one.items)
        if one.reference == "head" and len(one.written.steps) == 1 and not one.attachments:
            assert one.written.steps[0].base == one.head


def test_pictures_are_told_of_where_dialogues_are_asked_for_that_do():
    found = [referring(seed) for seed in range(200)]
    ways = Counter(one.reference for one in found)
    assert {*ways} == {*TOLD_OF, "again"} and min(ways["before"], ways["content"], ways["where"]) > 25
    assert {one.kind for one in found} == {"history", "ask"} and found[:3] == [referring(seed) for seed in range(3)]


def test_sessions_begin_with_several_pictures_where_they_are_asked_to():
    found = [several(seed) for seed in range(200)]
    begun = Counter(next((i for i, item in enumerate(one.items) if item.parent is not None), 9) for one in found)
    assert all(all(item.parent is None for item in one.items[:2]) for one in found) and min(begun[2], begun[3]) > 20
    assert {one.kind for one in found} == {*KINDS} and found[:3] == [several(seed) for seed in range(3)]


def test_four_changes_are_only_said_when_they_are_asked_for(many):
    assert max(len(one.written.steps) for one in many) == 3
    some = [four(seed, held_out) for held_out in (False, True) for seed in range(40)]
    assert all(len(one.written.steps) == len(one.results) == 4 and one.kind == "steps" for one in some)
    assert all([step.base for step in one.written.steps[1:]] == ["prev"] * 3 for one in some)
    assert sum(None not in one.results for one in some) > 10
    assert not set(spoken(" ".join(one.message for one in some))) - set(vocabulary())
    assert [four(seed) for seed in range(10)] == some[:10]


def test_what_is_held_out_is_never_said_and_then_always(monkeypatch):
    """Every unseen phrase is marked; then training has no mark and no held-out pair, and the others have one each."""
    monkeypatch.setattr(phrases, "UNSEEN", {k: tuple(f"¤{p}" for p in v) for k, v in UNSEEN.items()})
    marked = {kind: f"¤{p}" for kind, p in words.HELD_OUT_PHRASINGS.items()}
    monkeypatch.setattr(words, "HELD_OUT_PHRASINGS", marked)
    shapes = dict(HELD_OUT)

    def new_pair(one):
        asked = [step.args.get("instruction", "") for step in one.written.steps]
        return any(f"make the {shape} {colour}" in asked for shape, colour in shapes.items())

    for seed in range(400):
        one = dialogue(seed)
        assert "¤" not in one.message and not new_pair(one), one.message
        told = [item.made_by or "" for item in one.items]
        things = [(t.shape, t.colour) for item in one.items if item.scene for t in item.scene.things]
        assert not any("¤" in said for said in told) and not HELD_OUT & set(things)
    for seed in range(200):
        one = dialogue(seed, held_out=True)
        assert "¤" in one.message or new_pair(one), one.message
        assert not any("¤" in (item.made_by or "") for item in one.items)


def test_about_fifteen_percent_of_the_phrases_is_held_out_in_words_that_are_not():
    unseen = [p for options in (*UNSEEN.values(), words.HELD_OUT_PHRASINGS.values()) for p in options]
    seen = [p for options in (*SAID.values(), *words.PHRASINGS.values()) for p in set(options)]
    assert 0.12 < len(unseen) / (len(unseen) + len(seen)) < 0.2
    known = set(spoken(" ".join(seen)))
    assert not {word for phrase in unseen for word in spoken(phrase)} - known


def test_the_vocabulary_is_closed(many, held):
    known = set(vocabulary())
    for one in [*many, *held]:
        told = [one.message, *(item.made_by or "" for item in one.items)]
        assert not set(spoken(" ".join(told))) - known, one.message


@pytest.mark.parametrize("held_out", [False, True])
def test_a_pair_differs_only_in_which_picture_stands_where(held_out):
    for seed in range(60):
        one, other = pair(seed, held_out)
        assert one.message == other.message and one.head == other.head and one.attachments == other.attachments
        i, j = (place for place, (a, b) in enumerate(zip(one.items, other.items, strict=True)) if a != b)
        assert (one.items[i], one.items[j]) == (other.items[j], other.items[i])
        (step,), (swapped,) = one.written.steps, other.written.steps
        assert {step.base, swapped.base} == {i, j}
        assert replace(step, base=swapped.base) == swapped
        assert one.items[step.base] == other.items[swapped.base]


def test_the_same_seed_is_the_same_dialogue(many):
    assert [dialogue(seed) for seed in range(50)] == many[:50]
    assert len({one.message for one in many}) > 0.8 * COUNT


def test_all_kinds_and_lengths_occur(many):
    kinds = Counter(one.kind for one in many)
    assert all(abs(kinds[kind] / COUNT - share) < 0.06 for kind, share in KINDS.items())
    lengths = {sum(item.parent is not None for item in one.items) for one in many}
    assert lengths == set(range(11))
    uploads = [sum(i.parent is None for i in one.items) - len(one.attachments) for one in many]
    assert 0.2 < np.mean([count > 1 for count in uploads]) < 0.5
    used = {step.tool for one in many for step in one.written.steps}
    assert used >= {"instruct_pix2pix", "adjust", "analogy", "analogist", "match_colors", "insert_subject", "text"}
    steps = [step for one in many for step in one.written.steps]
    assert any("prev" in step.subjects for step in steps) and any(step.where for step in steps)


def test_pictures_and_sounds_of_items():
    scene = seeded(2)
    one, twin = Item("picture", scene, jitter=1), Item("picture", scene, jitter=2)
    assert pixels(one).shape == (64, 64, 3)
    assert np.array_equal(pixels(one), pixels(one)) and not np.array_equal(pixels(one), pixels(twin))
    night = replace(one, scene=Light("night").apply(scene))
    assert pixels(night).mean() < 0.7 * pixels(one).mean()
    mirrored = replace(one, darkroom=(("flip", {"axis": "horizontal"}),))
    assert np.array_equal(pixels(mirrored), pixels(one)[:, ::-1])
    assert samples(Item("sound", sound="bell", jitter=3)).shape == (32_000,)
    with pytest.raises(ValueError, match="does not sound"):
        samples(one)
    with pytest.raises(ValueError, match="shows nothing"):
        pixels(Item("sound", sound="bell"))


def test_every_picture_of_a_history_can_be_made(many):
    made = {item.tool: item for one in many for item in one.items if item.kind == "picture" and item.darkroom}
    assert len(made) >= 6
    for item in made.values():
        rgb = pixels(item)
        assert rgb.dtype == np.uint8 and rgb.shape == (64, 64, 3)


def test_they_are_made_quickly():
    began = time.process_time()
    for seed in range(100):
        dialogue(10_000 + seed)
    assert 100 / (time.process_time() - began) >= 200


def test_a_question_and_a_talk_have_no_steps(many):
    for one in many:
        if one.kind in ("ask", "chat"):
            assert one.written == Written(ask=one.written.ask, candidates=one.written.candidates, chat=one.written.chat)


def test_results_are_told_as_people_ask_for_them(many):
    """A picture gone back to is named, truly; a sound is said only where what it stands for happened."""
    named = heard = 0
    for one in many:
        for i, item in enumerate(one.items):
            if item.parent is None:
                continue
            words, base = item.made_by or "", one.items[item.parent]
            back = item.parent < len(NTH) and any(other.parent is not None for other in one.items[item.parent + 1 : i])
            place = {*NTH[item.parent : item.parent + 1], str(item.parent + 1)} & set(spoken(words))
            assert bool(place) or not back or (base.parent is None and "original" in words), words
            named += back
            if {"hear", "sound", "sounds"} & set(spoken(words)):
                was, now = base.shown, item.shown
                moods = [now.light != was.light, now.weather != was.weather, now.style != was.style]
                assert any(moods) or len(now.things) < len(was.things), words
                heard += 1
    assert named > 20 and heard > 20
