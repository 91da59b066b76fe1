"""The toybox draws the same scene the same way, knows where things are, and its edits do what they say and no more."""

import time
from dataclasses import replace

import numpy as np
import pytest

from toybox.drawing import backdrop, developed, draw, inside, weathered
from toybox.edits import KINDS, Add, Background, Light, Recolour, Remove, Reshape, Tone, propose, random_edit
from toybox.scenes import COLOURS, GROUNDS, HELD_OUT, LIGHTS, PATTERNS, SHAPES, SIDE, TONES, Scene, Thing, seeded

SCENES = [seeded(seed) for seed in range(60)]


def edits_of(kind, count=12):
    """Fresh (scene, edit) of a kind."""
    rng, found = np.random.default_rng(3), []
    while len(found) < count:
        scene = seeded(int(rng.integers(10**6)))
        edit = propose(rng, scene, kind)
        found += [(scene, edit)] if edit else []
    return found


def alone(**changes):
    thing = Thing("disc", "red", "plain", "middle", 32.0, 32.0, 16.0, 0.0)
    return Scene("plain", "white", (replace(thing, **changes),))


def test_a_seed_is_a_scene_and_a_scene_is_a_picture():
    assert [seeded(seed) for seed in range(60)] == SCENES
    assert all(np.array_equal(draw(scene).rgb, draw(scene).rgb) for scene in SCENES[:10])
    assert len({draw(scene).rgb.tobytes() for scene in SCENES}) == len(SCENES)


def test_they_are_drawn_faster_than_any_step_needs_them():
    """The largest batch is 96 pictures and no step takes less than a quarter of a second."""
    began = time.process_time()
    for scene, edit in edits_of(Recolour, 100):
        draw(scene), draw(edit.apply(scene))
    assert 200 / (time.process_time() - began) >= 400


def test_the_world_is_as_large_as_it_says():
    assert len(SHAPES) >= 6 and len(COLOURS) == 8 and len(PATTERNS) * len(GROUNDS) >= 6
    assert {len(scene.things) for scene in SCENES} == {1, 2, 3}


def test_held_out_pairs_never_occur():
    rng = np.random.default_rng(0)
    seen = set()
    for seed in range(800):
        scene = seeded(seed)
        for state in (scene, random_edit(rng, scene).apply(scene)):
            seen |= {(thing.shape, thing.colour) for thing in state.things}
    assert not seen & HELD_OUT
    assert len(seen) == len(SHAPES) * len(COLOURS) - len(HELD_OUT)


def test_held_out_pairs_can_be_asked_for():
    rng = np.random.default_rng(0)
    found = [propose(rng, scene, Recolour, held_out=True) for scene in SCENES]
    assert {(edit.shape, edit.colour) for edit in found if edit} == HELD_OUT


@pytest.mark.parametrize(("shape", "area"), [("disc", np.pi * 0.92**2), ("square", 1.64**2), ("ring", np.pi * 0.75)])
def test_covers_have_the_shapes_area(shape, area):
    cover = draw(alone(shape=shape)).covers[0]
    assert cover.sum() == pytest.approx(area * 16**2, rel=0.02)


def test_edges_are_anti_aliased():
    cover = draw(alone()).covers[0]
    assert 0.02 < ((cover > 0) & (cover < 1)).mean() < 0.1
    assert set(np.unique((cover * 9).round(4))) <= set(range(10))


def test_a_star_has_five_points():
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False, dtype=np.float32)
    ring = inside("star", 0.7 * np.sin(angles), -0.7 * np.cos(angles))
    assert (ring != np.roll(ring, 1)).sum() == 10
    assert ring[0]


def test_objects_do_not_overlap():
    for scene in SCENES:
        assert np.sum(draw(scene).covers, axis=0).max() <= 1


def test_outside_all_covers_there_is_background():
    for scene in SCENES[:20]:
        drawing = draw(scene)
        free = np.sum(drawing.covers, axis=0) == 0
        seen = weathered(backdrop(scene), scene.weather)
        truth = np.rint(developed(seen, scene.tone, scene.light, scene.style))
        assert np.array_equal(drawing.rgb[free], truth[free])


@pytest.mark.parametrize("kind", [Recolour, Remove, Reshape])
def test_local_edits_change_their_object_only(kind):
    for scene, edit in edits_of(kind):
        after = edit.apply(scene)
        touched = draw(scene).covers[[thing.shape for thing in scene.things].index(edit.shape)] > 0
        if kind is Reshape:
            touched |= draw(after).covers[[thing.shape for thing in after.things].index(edit.to)] > 0
        changed = (draw(scene).rgb != draw(after).rgb).any(-1)
        assert changed.any() and not (changed & ~touched).any()


def test_adding_changes_its_corner_only():
    for scene, edit in edits_of(Add):
        changed = (draw(scene).rgb != draw(edit.apply(scene)).rgb).any(-1)
        half = SIDE // 2
        rows = slice(0, half) if "top" in edit.slot else slice(half, SIDE)
        columns = slice(0, half) if "left" in edit.slot else slice(half, SIDE)
        assert changed[rows, columns].sum() == changed.sum() > 0


def test_a_background_keeps_objects():
    for scene, edit in edits_of(Background):
        solid = np.sum(draw(scene).covers, axis=0) == 1
        assert np.array_equal(draw(scene).rgb[solid], draw(edit.apply(scene)).rgb[solid])


def test_light_and_tone_are_exact_transforms_of_colours():
    for scene, edit in [*edits_of(Light), *edits_of(Tone)]:
        after = edit.apply(scene)
        bright = replace(scene, tone="colour", light="day")
        truth = developed(draw(bright).rgb.astype(np.float32), after.tone, after.light)
        assert abs(truth - draw(after).rgb).max() <= 1.01


def test_light_goes_round_without_loss():
    scene = replace(SCENES[0], light="day")
    there_and_back = Light("day").apply(Light("night").apply(Light("cool").apply(scene)))
    assert there_and_back == scene


def test_every_edit_changes_the_picture():
    rng = np.random.default_rng(1)
    for scene in SCENES:
        edit = random_edit(rng, scene)
        assert not np.array_equal(draw(scene).rgb, draw(edit.apply(scene)).rgb)


def test_all_kinds_occur_about_as_often_as_said():
    rng = np.random.default_rng(2)
    kinds = [type(random_edit(rng, scene)) for scene in SCENES for _ in range(20)]
    for kind, share in KINDS.items():
        assert kinds.count(kind) / len(kinds) == pytest.approx(share, abs=0.06)


def test_an_absent_object_cannot_be_edited():
    with pytest.raises(ValueError, match="no star"):
        Recolour("star", "red").apply(alone())


def test_lights_and_tones_differ():
    seen = {draw(replace(SCENES[0], tone=tone, light=light)).rgb.tobytes() for tone in TONES for light in LIGHTS}
    assert len(seen) == len(TONES) * len(LIGHTS)
