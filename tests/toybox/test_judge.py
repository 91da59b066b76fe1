"""The judge of edits, and the benchmark of `any2pix` that believes it: what is asked, and how answers are counted."""

import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import any2pix as bench
from benchmarks import judge
from sessions.values import Picture
from tests import tiny, tiny_encoders
from tools import adding, shelf
from tools.diffusion.world import in_world
from toybox.sounds import MEANINGS, NAMES
from training.encoder import TAKES
from training.encoder_scenes import true_of

KINDS = [f"{kind}{which}" for kind in bench.KINDS for which in ("_gain", "_shuffled_gain")]
GAINS = {"sound_gain", "shuffled_gain", *KINDS}


# What is asked


def test_items_lack_what_is_heard_in_takes_that_nobody_has_learnt_from():
    some = bench.items(48)
    assert [one.name for one in some] == [*NAMES] * 4
    assert not any(true_of(one.name, one.scene) for one in some)
    assert min(one.take for one in some) >= 1000 * TAKES and len({one.take for one in some}) == 48
    assert all(in_world(one.picture) for one in some)
    assert some == bench.items(48) and not set(some) & set(bench.items(48, seed=1))


@pytest.mark.parametrize("count", [2, 3, 12, 13, 50, 200])
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


class Told(nn.Module):
    """A judge whose probabilities are written in the first twelve red values of a picture: p of 255."""

    def forward(self, x):
        return ((x[:, 0, 0, : len(NAMES)] + 1) / 2).logit()


def telling(p):
    picture = np.zeros((8, 16, 3), np.uint8)
    picture[0, : len(NAMES), 0] = np.rint(255 * np.asarray(p))
    return picture


def test_gains_are_means_of_rises_of_the_items_own_sounds():
    rng = np.random.default_rng(5)
    before, own, other = (np.rint(255 * rng.uniform(0.1, 0.9, (24, 12))) / 255 for _ in range(3))
    some = bench.items(24)
    for one, p in zip(some, before, strict=True):
        one.__dict__["picture"] = telling(p)
    found = bench.gains(Told(), some, [telling(p) for p in own], [telling(p) for p in other])
    column = np.arange(24) % 12
    rise, swapped = ((p - before)[np.arange(24), column] for p in (own, other))
    kinds = np.array([MEANINGS[name].kind for name in NAMES] * 2)
    apart = np.abs(own - before)
    apart[np.arange(24), column] = 0
    expected = {
        "sound_gain": rise,
        "shuffled_gain": swapped,
        **{f"{kind}_gain": rise[kinds == kind] for kind in bench.KINDS},
        **{f"{kind}_shuffled_gain": swapped[kinds == kind] for kind in bench.KINDS},
        "other_change": apart.sum(1) / 11,
        "psnr": 10 * np.log10(8 * 16 * 3 / np.square(own - before).sum(1)),
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        mean, low, high = found[name]
        assert mean == pytest.approx(values.mean(), abs=1e-4), name
        error = 1.96 * values.std() / len(values) ** 0.5
        assert (mean - low, high - mean) == pytest.approx((error, error), rel=0.35), name


def test_a_picture_that_stays_gains_nothing():
    some = bench.items(12)
    same = [one.picture for one in some]
    found = bench.gains(judge.Judge(), some, same, same)
    assert found.pop("psnr") == [99.0] * 3
    assert set(map(tuple, found.values())) == {(0.0, 0.0, 0.0)}


def test_auc_is_the_share_of_pairs_in_order():
    scores, truth = np.array([3.0, 1.0, 2.0, 1.0]), np.array([True, True, False, False])
    assert judge.auc(scores, truth) == (1 + 1 + 0 + 0.5) / 4
    assert judge.auc(np.arange(6.0), np.arange(6) > 3) == 1 and judge.auc(-np.arange(6.0), np.arange(6) > 3) == 0


# The judge


OF_ALL = ("crickets", "fire", "wind", "waltz")
"""What stands for the whole picture, which is learnt in seconds; shapes take minutes."""


def learnt(monkeypatch):
    """The mean AUC of them after a few steps."""
    for name, value in {"BATCH": 32, "SHARE": 8, "RATE": 1e-2}.items():
        monkeypatch.setattr(judge, name, value)
    net = judge.trained(lambda rgb: rgb, steps=40, pool=40)
    monkeypatch.undo()
    found = judge.believed(net, None, 160, 99)
    assert found.keys() == set(NAMES)
    return np.mean([found[name] for name in OF_ALL])


def test_the_judge_learns_what_it_is_told(monkeypatch):
    assert learnt(monkeypatch) > 0.8


def test_it_learns_nothing_from_the_truth_of_other_scenes(monkeypatch):
    told = judge.drawn

    def wrong(rng, count, decoded=None):
        x, truth = told(rng, count, decoded)
        return x, truth[torch.from_numpy(rng.permutation(count))]

    monkeypatch.setattr(judge, "drawn", wrong)
    assert learnt(monkeypatch) < 0.7


def test_its_pictures_are_those_of_the_scenes_it_is_told_about():
    left = []
    x, truth = judge.drawn(np.random.default_rng(3), 24, lambda rgb: left.append(rgb) or rgb // 2)
    assert x.shape == (24, 3, 64, 64) and truth.shape == (24, 12)
    assert torch.equal(x, judge.planes([rgb // 2 for rgb in left]))
    assert truth[torch.arange(24), torch.arange(24) % 12].all() and truth.mean() < 0.5
    assert judge.planes([np.full((2, 2, 3), 255, np.uint8)]).eq(1).all()


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


def test_the_figures_are_there(there, monkeypatch, capsys):
    monkeypatch.setattr(bench, "Shelf", lambda _: there)
    monkeypatch.setattr(bench, "JUDGED", 36)
    monkeypatch.setattr(judge, "trained", lambda decoded: judge.Judge())
    monkeypatch.setattr(sys, "argv", ["any2pix", "--count", "12", "--json"])
    bench.main()
    found = json.loads(capsys.readouterr().out)
    assert found.keys() == {"count", "other_change", "psnr", "judge_drawn", "judge_decoded"} | GAINS
    assert found["count"] == 12 and all(len(found[name]) == 3 for name in GAINS)
    assert found["judge_drawn"].keys() == found["judge_decoded"].keys() == set(NAMES)
