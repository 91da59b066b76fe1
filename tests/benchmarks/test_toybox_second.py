"""The second grader: where results have gone, by vectors that are known, and by an encoder that has learnt."""

import numpy as np
import pytest

from benchmarks import any2pix, toybox, toybox_instructions, world
from benchmarks import toybox_second as bench
from benchmarks.toybox_instructions import Result
from sessions.errors import MissingWeights
from tools.shelf import STARTER
from toybox.edits import Move, Recolour, Weather

ENCODER = STARTER.parent / "encoder"


class Known:
    """What it sees in a picture is written in its first pixel; words are numbers of axes."""

    def pictures(self, pixels):
        v = np.array([rgb[0, 0] for rgb in pixels], np.float32)
        return v / np.linalg.norm(v, axis=1, keepdims=True)

    def texts(self, texts):
        return np.eye(3, dtype=np.float32)[[int(text) for text in texts]]


def picture(*v):
    return np.array(v, np.uint8)[None, None]


def test_a_result_is_told_by_where_it_has_gone():
    """From the first axis to the second; to the third instead; halfway, with something else; and nowhere."""
    before = picture(100, 0, 0)
    ways = {"": (0, 100, 0), "_away": (0, 0, 100), "_half": (60, 80, 0), "_still": (100, 0, 0)}
    asked = [bench.Asked(before, "0", picture(0, 100, 0), "1")]
    found = bench.figures(Known(), "x", asked, {way: [picture(*v)] for way, v in ways.items()})
    assert found["x_directional"] == 1 == found["x_directional_exact"]
    assert found["x_directional_away"] == pytest.approx(0.5, abs=1e-3)
    assert found["x_directional_half"] == pytest.approx((0.4 + 0.8) / (0.8**0.5 * 2**0.5), abs=1e-3)
    assert found["x_directional_still"] == 0 == found["x_directional_copy"]
    agrees = {way: found[f"x_agrees{way}"] for way in ("", "_away", "_half", "_still", "_copy", "_exact")}
    assert agrees == {"": 1, "_away": 0, "_half": 1, "_still": 0, "_copy": 0, "_exact": 1}


def test_what_captions_do_not_tell_is_not_asked():
    one = bench.Asked(picture(1, 0, 0), "0", picture(0, 1, 0), "0")
    assert bench.figures(Known(), "x", [one], {"": [one.after]}) == {}
    both = [one, bench.Asked(picture(1, 0, 0), "0", picture(0, 1, 0), "1")]
    assert bench.figures(Known(), "x", both, {"": [picture(1, 0, 0), picture(0, 1, 0)]})["x_agrees"] == 1


def test_an_encoder_that_has_learnt_knows_exact_results_from_copies():
    some = world.items(16, 31, [Recolour, Weather, Move])
    encoder = bench.opened(ENCODER)
    found = bench.edits(encoder, some, [one.after.rgb for one in some])
    assert found["ip2p_agrees"] == found["ip2p_agrees_exact"] > 0.8 > 0.2 > found["ip2p_agrees_copy"]
    assert found["ip2p_directional"] > 0.2 > found["ip2p_directional_copy"] == 0


def test_a_sound_has_a_caption_where_it_can_be_shown():
    some = any2pix.items(34)
    fits = [one for one in some if bench.meant(one) is not None]
    assert len(fits) > 17 and all(any2pix.true_of(one.name, bench.meant(one)) for one in fits)
    exact = [one.picture if bench.meant(one) is None else bench.draw(bench.meant(one)).rgb for one in some]
    same = [one.picture for one in some]
    found = bench.sounds(bench.opened(ENCODER), some, any2pix.Results(exact, same, same))
    assert found["any2pix_agrees"] == found["any2pix_agrees_exact"] > found["any2pix_agrees_shuffled"] + 0.5
    assert found["any2pix_directional_shuffled"] == 0


def test_without_a_second_grader_its_figures_are_null_and_the_others_stand(tmp_path, monkeypatch):
    some = world.items(2, 4, [Recolour])
    exact = lambda one, seed: Result(one.after.rgb, one.after.rgb)  # noqa: E731
    monkeypatch.setattr(toybox_instructions, "editor", lambda weights, **_: exact)
    monkeypatch.setattr(toybox_instructions, "items", lambda count, seed: some)
    monkeypatch.setattr(toybox_instructions, "bounds", lambda weights, some: {})
    found, _ = toybox.measured(toybox.Subject(None), ["instruct_pix2pix"], 2)
    assert found["ip2p_success"] == 1 and found["ip2p_agrees"] is None is found["ip2p_directional"]
    assert "--grader" in found["skipped"]["instruct_pix2pix"]
    found, _ = toybox.measured(toybox.Subject(None, grader=ENCODER), ["instruct_pix2pix"], 2)
    assert found["ip2p_agrees"] == 1 and "skipped" not in found
    with pytest.raises(MissingWeights, match="no encoder"):
        bench.opened(tmp_path)
