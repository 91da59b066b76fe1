"""The benchmark of `any2pix`: what is asked, and how the grader's answers are counted."""

import json
import sys

import numpy as np
import pytest

from benchmarks import any2pix as bench
from sessions.values import Picture
from tests import tiny, tiny_encoders
from tools import adding, shelf
from tools.diffusion.world import in_world
from toybox.drawing import draw
from toybox.sounds import MEANINGS, NAMES
from training.encoder import TAKES
from training.encoder_scenes import true_of

SOUNDS = len(NAMES)
MEANT = [kind for kind in bench.KINDS if kind in {meaning.kind for meaning in MEANINGS.values()}]
KINDS = [f"{kind}_gain{which}" for kind in MEANT for which in ("", "_shuffled")]
WAYS = ("", "_shuffled", "_unrefined")
GAINS = {*(f"sound_gain{way}" for way in WAYS), *(f"sound{way}" for way in (*WAYS, "_copy")), "refinement_gain", *KINDS}


# What is asked


def test_items_lack_what_is_heard_in_takes_that_nobody_has_learnt_from():
    some = bench.items(4 * SOUNDS)
    assert [one.name for one in some] == [*NAMES] * 4
    assert not any(true_of(one.name, one.scene) for one in some)
    assert min(one.take for one in some) >= 1000 * TAKES and len({one.take for one in some}) == 4 * SOUNDS
    assert all(in_world(one.picture) for one in some)
    assert some == bench.items(4 * SOUNDS) and not set(some) & set(bench.items(4 * SOUNDS, seed=1))


@pytest.mark.parametrize("count", [2, 3, SOUNDS, SOUNDS + 1, 50, 200])
def test_sounds_are_exchanged_for_others_of_another_name(count):
    names = [one.name for one in bench.items(count)]
    for seed in range(5):
        whose = bench.exchanged(names, seed)
        assert sorted(whose) == list(range(count))
        assert not any(names[i] == names[j] for i, j in enumerate(whose))
    if count > 3:
        assert bench.exchanged(names, 0) != bench.exchanged(names, 1)


def test_half_of_one_name_can_be_exchanged_and_more_cannot():
    names = ["bell", "bell", "fire", "wind"]
    assert {names[j] for j in bench.exchanged(names)[:2]} == {"fire", "wind"}
    with pytest.raises(ValueError, match="half"):
        bench.exchanged(["bell", "bell", "wind"])


# How it is counted


def told(pictures):
    """A grader whose probabilities are written in the first red values of a picture: p of 255."""
    return np.stack([picture[0, : len(NAMES), 0] for picture in pictures]) / 255


def telling(p):
    picture = np.zeros((8, 24, 3), np.uint8)
    picture[0, : len(NAMES), 0] = np.rint(255 * np.asarray(p))
    return picture


def test_gains_are_means_of_rises_of_the_items_own_sounds(monkeypatch):
    monkeypatch.setattr(bench, "probabilities", told)
    rng = np.random.default_rng(5)
    before, own, other, plain = (np.rint(255 * rng.uniform(0.1, 0.9, (2 * SOUNDS, SOUNDS))) / 255 for _ in range(4))
    some = bench.items(2 * SOUNDS)
    for one, p in zip(some, before, strict=True):
        one.__dict__["picture"] = telling(p)
    found = bench.gains(some, bench.Results(*([telling(p) for p in ps] for ps in (own, other, plain))))
    column = np.arange(2 * SOUNDS) % SOUNDS
    at = np.arange(2 * SOUNDS), column
    rise, swapped, bare = ((p - before)[at] for p in (own, other, plain))
    kinds = np.array([MEANINGS[name].kind for name in NAMES] * 2)
    apart = np.abs(own - before)
    apart[np.arange(2 * SOUNDS), column] = 0
    expected = {
        "sound_gain": rise,
        "sound_gain_shuffled": swapped,
        "sound_gain_unrefined": bare,
        "refinement_gain": rise - bare,
        "sound": (own[at] > 0.5).astype(float),
        "sound_shuffled": (other[at] > 0.5).astype(float),
        "sound_unrefined": (plain[at] > 0.5).astype(float),
        "sound_copy": (before[at] > 0.5).astype(float),
        **{f"{kind}_gain": rise[kinds == kind] for kind in MEANT},
        **{f"{kind}_gain_shuffled": swapped[kinds == kind] for kind in MEANT},
        "other_change": apart.sum(1) / (SOUNDS - 1),
        "psnr": 10 * np.log10(8 * 24 * 3 / np.square(own - before).sum(1)),
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        mean, low, high = found[name]
        assert mean == pytest.approx(values.mean(), abs=1e-4), name
        error = 1.96 * values.std() / len(values) ** 0.5
        assert (mean - low, high - mean) == pytest.approx((error, error), rel=0.35), name


def test_a_picture_that_stays_gains_nothing():
    some = bench.items(SOUNDS)
    same = [one.picture for one in some]
    found = bench.gains(some, bench.Results(same, same, same))
    assert found.pop("psnr") == [99.0] * 3
    shown = [found.pop(f"sound{way}") for way in (*WAYS, "_copy")]
    assert shown == shown[:1] * 4 and shown[0][0] <= 2 / SOUNDS
    assert set(map(tuple, found.values())) == {(0.0, 0.0, 0.0)}


def test_auc_is_the_share_of_pairs_in_order():
    scores, truth = np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False])
    assert bench.auc(scores, truth) == (1 + 1 + 0 + 0.5) / 4
    assert bench.auc(np.arange(6.0), np.arange(6) > 3) == 1 and bench.auc(-np.arange(6.0), np.arange(6) > 3) == 0


# The grader


def test_the_grader_says_what_sounds_stand_for():
    found = bench.believed(lambda rgb: rgb, 3 * len(NAMES))
    assert found.keys() == set(NAMES) and min(found.values()) > 0.95
    assert np.mean(list(bench.believed(lambda rgb: rgb // 2 + 64, 3 * len(NAMES)).values())) < np.mean(
        [*found.values()]
    )


def test_a_probability_is_that_of_any_thing(monkeypatch):
    scene = bench.items(1)[0].scene
    p = bench.probabilities([draw(scene).rgb])[0]
    assert p.shape == (len(NAMES),) and (p >= 0).all() and (p <= 1).all()
    assert [round(v) for v in p] == [true_of(name, scene) for name in NAMES]


# The whole


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A shelf with tiny weights, which want two steps."""
    home = tmp_path_factory.mktemp("any2pix")
    made = shelf.Shelf(home)
    eyes = adding.add(made, tiny_encoders.imagebind(home / "eyes"), "encoder")
    entry = adding.add(made, tiny.any2pix(home / "weights", encoder=eyes.digest), "any2pix")
    made.add(entry.model_copy(update={"sampling": {"steps": 2}}))
    return made


def test_an_edit_is_the_tools_own_as_the_weights_want_it(there):
    from tools.base import EditContext, drain
    from tools.edits.any2pix import Args, any2pix

    one, other, *_ = bench.items(2)
    found = bench.edited(there, one, one.heard, 7)
    context = EditContext(Picture(one.picture.copy()), seed=7, shelf=there, sounds=(one.heard,))
    assert np.array_equal(found, drain(any2pix.run(context, Args(steps=2))).image.rgb)
    assert not np.array_equal(found, bench.edited(there, one, other.heard, 7))


def test_without_a_prior_all_else_is_the_same(there, tmp_path):
    """The unrefined shelf has every other file, and draws otherwise."""
    without = bench.unrefined(there, tmp_path)
    whole, bare = (shelf.taken(bench.ROLE)[0].files for shelf in (there, without))
    gone = whole.keys() - bare.keys()
    assert gone and all(name.startswith("prior/") for name in gone) and bare.items() <= whole.items()
    one = bench.items(1)[0]
    again = bench.edited(without, one, one.heard, 7)
    assert not np.array_equal(again, bench.edited(there, one, one.heard, 7))
    assert without.encoder().digest == there.encoder().digest


def test_the_figures_are_there(there, monkeypatch, capsys):
    monkeypatch.setattr(bench, "Shelf", lambda _: there)
    monkeypatch.setattr(bench, "JUDGED", 3 * SOUNDS)
    monkeypatch.setattr(sys, "argv", ["any2pix", "--count", str(SOUNDS), "--json"])
    bench.main()
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"count", "other_change", "psnr", "judged_drawn", "judged_decoded"} | GAINS
    assert found["count"] == SOUNDS and all(len(found[name]) == 3 for name in GAINS)
    assert found["judged_drawn"].keys() == found["judged_decoded"].keys() == set(NAMES)
