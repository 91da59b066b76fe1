"""What each part of an algorithm is for, on the starter weights: taken away or exchanged, the asked change is lost."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import (
    analogist,
    any2pix,
    blip_diffusion,
    dialogues,
    toybox_instructions,
    toybox_masks,
    toybox_planner,
    world,
)
from tools.edits.analogist import Args
from tools.shelf import PLANNER, STARTER
from tools.subjects import ROLE as SUBJECTS
from toybox.dialogues import dialogue, pair
from toybox.edits import Recolour
from toybox.sounds import MEANINGS
from training.examining import answer
from training.lessons import looked_at
from training.packs import encoder


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return world.shelf(tmp_path_factory.mktemp("starter"))


def done(items, pictures):
    return np.mean([mark.done for mark in toybox_instructions.graded(items, pictures)])


def test_an_editor_does_what_its_own_words_say(shelf):
    """Under another item's words next to nothing of what was asked for comes about."""
    some = world.items(8, seed=79)
    edit = toybox_instructions.editor(shelf)
    others = [replace(one, said=other.said) for one, other in zip(some, some[1:] + some[:1], strict=True)]
    own, exchanged = ([edit(one, i).rgb for i, one in enumerate(them)] for them in (some, others))
    assert done(some, own) >= 0.5 and done(some, exchanged) <= 0.2


def test_an_edit_comes_about_where_the_mask_is(shelf):
    """A mask that is moved by half a picture protects what should change and gives up what should not."""
    them = [toybox_masks.asked(shelf, one) for one in world.items(6, 80, (Recolour,))]
    plain = [it.one for it in them]
    there = [toybox_masks.edited(it, it.mask()) for it in them]
    elsewhere = [toybox_masks.edited(it, it.mask().roll((8, 8), (0, 1))) for it in them]
    assert done(plain, there) >= 0.5 and done(plain, elsewhere) <= 0.2


def test_a_subject_is_drawn_because_it_is_shown(shelf):
    model, wanted = shelf.diffusion(SUBJECTS), shelf.entry(SUBJECTS).sampling
    bench = blip_diffusion.Bench(shelf, model, wanted["guidance"], int(wanted["steps"]))
    found, _ = blip_diffusion.drawing(bench, blip_diffusion.items(10, seed=81))
    assert found["blip_subject"] >= 0.5
    assert max(found["blip_subject_without"], found["blip_subject_swapped"]) <= 0.2
    assert found["blip_background"] >= 0.7 > 0.4 >= found["blip_background_shuffled"]


def test_a_picture_shows_what_is_heard_and_not_what_another_hears(shelf):
    some = [one for one in any2pix.items(34, seed=82) if MEANINGS[one.name].kind in ("light", "tone", "weather")][:8]
    names = [one.name for one in some]
    own = [any2pix.edited(shelf, one, one.heard, i) for i, one in enumerate(some)]
    whose = any2pix.exchanged(names)
    others = [any2pix.edited(shelf, one, some[j].heard, i) for i, (one, j) in enumerate(zip(some, whose, strict=True))]
    before = any2pix.probabilities([one.picture for one in some])
    rise = any2pix.rises(before, any2pix.probabilities(own), names).mean()
    assert rise >= 0.3 and any2pix.rises(before, any2pix.probabilities(others), names).mean() <= rise / 2


def test_an_example_is_followed_by_cloned_attention(shelf):
    """SAC and CAM against plain inpainting of the same grids."""
    model, args = shelf.diffusion(analogist.analogist.ROLE), Args(**analogist.recommended(shelf))
    some = analogist.items("recolour", 12, seed=83)
    both, neither = (
        np.mean(analogist.marks("recolour", some, analogist.results(model, some, args, analogist.MODES[way]))["right"])
        for way in ("both", "neither")
    )
    assert both >= 0.5 and both >= neither + 0.2


def test_which_picture_is_meant_is_seen():
    """One message in two sessions that are told alike, in which two pictures have changed places."""
    numbers = [2 * dialogues.EXAMINED + place for place in range(24)]
    lessons = looked_at(encoder(), numbers, numbered=lambda n, held_out: pair(n // 2, held_out, longest=3)[n % 2])
    who = dialogues.candidate(STARTER.parent / PLANNER)

    def both(shown):
        right = [dialogues.hits([answer(who, one, shown(one))])["base"] == [True] for one in lessons]
        return np.mean([a and b for a, b in zip(right[::2], right[1::2], strict=True)])

    assert both(lambda one: one.seen) >= 0.5 and both(dialogues.blind) == 0


def test_a_plan_follows_what_is_heard():
    """Dialogues in which a sound says what is meant; unheard, or with another's in its place."""
    numbers = range(dialogues.EXAMINED, dialogues.EXAMINED + 300)
    heard = [number for number in numbers if toybox_planner.sounds(dialogue(number))][:14]
    found = toybox_planner.hearing(dialogues.candidate(STARTER.parent / PLANNER), looked_at(encoder(), heard))
    assert found["state_sounds"] >= 0.6
    assert max(found["state_sounds_unheard"], found["state_sounds_shuffled"]) <= 0.3
