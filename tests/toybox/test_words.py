"""Captions and instructions say what they should, in words that the vocabulary has."""

import numpy as np

from toybox.edits import KINDS, Background, Recolour, propose
from toybox.scenes import Scene, Thing, seeded
from toybox.words import HELD_OUT_PHRASINGS, PHRASINGS, caption, filled, instruction, some_caption, vocabulary


def test_a_caption_names_everything():
    disc = Thing("disc", "orange", "plain", "top left", 17, 17, 12, 0)
    star = Thing("star", "blue", "dotted", "top right", 47, 17, 12, 0)
    scene = Scene("striped", "grey", (disc, star), light="night")
    assert caption(scene) == "an orange disc and a dotted blue star on a striped grey background, night"
    assert caption(scene, behind=False) == "an orange disc and a dotted blue star, night"
    assert caption(Scene("plain", "mint", (), tone="sepia")) == "a mint background, sepia"


def test_scenes_that_differ_in_words_have_other_captions():
    scenes = [seeded(seed) for seed in range(200)]
    assert len({caption(scene) for scene in scenes}) > 190


def test_an_empty_word_leaves_no_gap():
    assert filled(PHRASINGS[Background][0], Background("teal")) == "make the background teal"
    assert filled(PHRASINGS[Background][0], Background("teal", "striped")) == "make the background striped teal"


def test_every_word_is_in_the_vocabulary_and_short_enough_for_clip():
    words, rng = set(vocabulary()), np.random.default_rng(0)
    for seed in range(300):
        scene = seeded(seed)
        kind = list(KINDS)[seed % len(KINDS)]
        edit = propose(rng, scene, kind)
        said = [some_caption(rng, scene)]
        said += [instruction(rng, edit), instruction(rng, edit, held_out=True)] if edit else []
        for text in said:
            parts = text.replace(",", " ,").split()
            assert set(parts) <= words and len(parts) < 64


def test_held_out_phrasings_are_new_orders_of_known_words():
    for kind, phrasing in HELD_OUT_PHRASINGS.items():
        assert phrasing not in PHRASINGS[kind]
        known = {word for options in PHRASINGS.values() for option in options for word in option.split()}
        assert {word for word in phrasing.split() if "{" not in word} <= known


def test_both_ways_of_recolouring_name_object_and_colour():
    rng = np.random.default_rng(0)
    for held_out in (False, True):
        said = instruction(rng, Recolour("ring", "green"), held_out)
        assert "ring" in said and "green" in said
