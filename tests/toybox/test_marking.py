"""Marks: what was asked for and everything else, from readings that are exactly right or wrong in one place."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.world import item, items
from toybox.edits import KINDS, Add, Background, Move, Recolour, Remove, Resize, Style
from toybox.marking import Mark, asked, mark
from toybox.reading import KEYS, Reading, options, shown
from toybox.scenes import SIZES, Scene, Thing

DISC = Thing("disc", "red", "plain", "top left", 17.0, 17.0, 10.25, 0.0)
STAR = Thing("star", "yellow", "plain", "bottom right", 47.0, 47.0, 7.0, 0.0)
SCENE = Scene("striped", "teal", (DISC, STAR))


def exact(scene, **wrong):
    """A reading that is right about everything in a scene but `wrong`: attributes of the disc or of the whole."""
    truth = shown(scene)
    for name, value in wrong.items():
        truth["" if ("", name) in KEYS else "top left", name] = value
    return Reading({key: tuple(float(truth.get(key) == value) for value in options(key)) for key in KEYS})


@pytest.mark.parametrize("kind", KINDS)
def test_exact_results_are_done_and_inputs_are_not(kind):
    rng = np.random.default_rng(7)
    for _ in range(12):
        one = item(rng, kind)
        assert mark(one.edit, one.scene, exact(one.edit.apply(one.scene))) == Mark(True, 1.0)
        before = mark(one.edit, one.scene, exact(one.scene))
        assert not before.done and before.kept > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_other_edits_of_the_kind_are_not_what_was_asked(kind):
    rng = np.random.default_rng(8)
    for _ in range(12):
        one = item(rng, kind)
        other = item(rng, kind)
        while set(shown(other.edit.apply(other.scene)).items()) >= set(asked(one.edit, one.scene).items()):
            other = item(rng, kind)
        assert not mark(one.edit, one.scene, exact(other.edit.apply(other.scene))).done


def test_a_recoloured_thing_must_still_be_that_thing():
    edit = Recolour("disc", "blue")
    after = edit.apply(SCENE)
    assert mark(edit, SCENE, exact(after)).done
    assert not mark(edit, SCENE, exact(after, shape="ring")).done
    assert not mark(edit, SCENE, exact(after, colour="purple")).done
    assert not mark(edit, SCENE, exact(after, there="no")).done


def test_what_was_not_asked_counts_as_kept_or_not():
    edit = Recolour("disc", "blue")
    after = edit.apply(SCENE)
    others = len(shown(after)) - 3
    assert mark(edit, SCENE, exact(after, texture="dotted")).kept == pytest.approx(1 - 1 / others)
    assert mark(edit, SCENE, exact(after, light="night", ground="white")).kept == pytest.approx(1 - 2 / others)
    gone = Remove("star").apply(after)
    lost = mark(edit, SCENE, exact(gone))
    assert lost.done and lost.kept == pytest.approx(1 - 5 / others)


def test_a_moved_thing_is_gone_here_and_there_there():
    edit = Move("disc", "top right")
    copied = Scene("striped", "teal", (*SCENE.things, replace(DISC, slot="top right", x=47.0)))
    assert mark(edit, SCENE, exact(edit.apply(SCENE))).done
    assert not mark(edit, SCENE, exact(copied)).done
    assert not mark(edit, SCENE, exact(Remove("disc").apply(SCENE))).done


def test_each_kind_asks_what_it_names():
    def keys(edit):
        return set(asked(edit, SCENE))

    assert keys(Resize("disc", "large")) == {("top left", name) for name in ("there", "shape", "size")}
    assert keys(Remove("disc")) == {("top left", "there")}
    assert keys(Add("cross", "blue", "top right")) == {("top right", name) for name in ("there", "shape", "colour")}
    assert keys(Background("white")) == {("", "ground")}
    assert keys(Background("white", "plain")) == {("", "ground"), ("", "pattern")}
    assert keys(Style("comic")) == {("", "style")}
    assert asked(Resize("disc", "large"), SCENE)["top left", "size"] == "large" in SIZES


def test_what_cannot_be_seen_is_not_asked():
    grey = replace(SCENE, tone="grey")
    assert asked(Recolour("disc", "blue"), grey).keys() == {("top left", "there"), ("top left", "shape")}
    assert not asked(Background("white"), grey)
    with pytest.raises(ValueError, match="cannot be seen"):
        mark(Background("white"), grey, exact(grey))


def test_items_are_of_all_kinds_in_turn_and_can_be_seen():
    some = items(2 * len(KINDS), 1)
    assert [type(one.edit) for one in some] == [*KINDS] * 2
    assert all(asked(one.edit, one.scene) and (one.before.rgb != one.after.rgb).any() for one in some)
    assert [one.said for one in some] == [one.said for one in items(2 * len(KINDS), 1)]
    assert [one.said for one in some] != [one.said for one in items(2 * len(KINDS), 2)]
