"""Ten turns on one picture: which of them are kept, and what is measured outside the region that they are about."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import drift as bench
from sessions.values import Picture
from tools.base import EditResult


@pytest.fixture
def talks():
    rng = np.random.default_rng(3)
    return {name: talk(rng) for name, talk in bench.CONVERSATIONS.items()}


def test_a_wish_that_is_said_again_leaves_out_what_it_restates(talks):
    assert all(bench.kept(talk, "chain") == list(range(bench.TURNS)) for talk in talks.values())
    assert bench.kept(talks["local"], "policy") == [bench.TURNS - 1] == bench.kept(talks["restated"], "policy")
    assert len(bench.kept(talks["global"], "policy")) <= 2


def test_local_turns_change_nothing_outside_their_region(talks):
    talk = talks["local"]
    assert all(np.array_equal(rgb[talk.region == 0], talk.photo[talk.region == 0]) for rgb in talk.exact)
    assert (talk.exact[0] != talk.photo)[talk.region > 0].any()


def worse(weights, before, words, talk, seed):
    """An editor that adds one level to all that it may touch."""
    rgb = before.image.pixels + np.uint8(1)
    return EditResult(
        Picture(rgb if talk.region is None else np.where(talk.region[..., None] > 0, rgb, before.image.pixels))
    )


def test_a_region_keeps_what_naive_chaining_loses(talks, monkeypatch):
    dim = replace(talks["local"], photo=talks["local"].photo // 2, exact=tuple(e // 2 for e in talks["local"].exact))
    monkeypatch.setattr(bench, "turn", worse)
    found = bench.compared([dim], bench.made_of(None, [dim]))
    assert found["outside"] == [0, 0, 0] and found["outside_chained"] == [bench.TURNS] * 3
    assert found["outside_ten_turns"] == found["outside_ten_turns_pixels"] == [0, 0, 0]
    assert "outside" not in bench.compared([talks["global"]], bench.made_of(None, [talks["global"]]))


def spilling(weights, before, words, talk, seed):
    """An editor that adds one level to the corner of the picture at every turn, region or none."""
    rgb = before.image.pixels.copy()
    rgb[0, 0] += 1
    return EditResult(Picture(rgb))


def test_what_is_lost_in_ten_turns_is_seen_though_the_policy_makes_one(talks, monkeypatch):
    dim = replace(talks["local"], photo=talks["local"].photo // 2, exact=tuple(e // 2 for e in talks["local"].exact))
    monkeypatch.setattr(bench, "turn", spilling)
    found = bench.compared([dim], bench.made_of(None, [dim]))
    once = found["outside"][0]
    assert 0 < once < found["outside_ten_turns"][0] == found["outside_ten_turns_pixels"][0]
    assert found["outside_ten_turns"][0] == pytest.approx(bench.TURNS * once, abs=0.001)


def test_the_part_names_each_conversation(monkeypatch):
    monkeypatch.setattr(bench, "turn", worse)
    found, rows = bench.measured(None, 1)
    assert {"outside", "outside_chained", "global_chain_last_turn", "local_policy_gain"} <= found.keys()
    assert not any(name.startswith("local_outside") for name in found)
    assert len(rows) == 2 * len(bench.CONVERSATIONS)


def test_strips_show_the_product_beside_naive_chaining(talks, monkeypatch):
    """What came of the first turn, of five and of ten; by the product in the region, naively everywhere."""
    dim = replace(talks["local"], photo=talks["local"].photo // 2, exact=tuple(e // 2 for e in talks["local"].exact))
    monkeypatch.setattr(bench, "turn", worse)
    ours, naive = bench.strips(None, "local", [dim], bench.made_of(None, [dim]))
    assert "product" in ours.asked and "naive" in naive.asked and dim.said[-1] in ours.asked
    outside = dim.region == 0
    for row, added in ((ours, (0, 0, 0)), (naive, (1, 5, 10))):
        assert row.pictures[0] is dim.photo and row.pictures[2] is dim.exact[-1]
        for rgb, more in zip((*row.shown, row.pictures[1]), added, strict=True):
            assert (rgb[outside] == dim.photo[outside] + more).all()
    exact = [bench.EditResult(Picture(rgb)) for rgb in dim.exact]
    right, wrong = bench.strips(
        None, "local", [dim], {"policy": [exact], "naive": [[EditResult(Picture(dim.photo))] * 10]}
    )
    assert right.good and not wrong.good and right.verdict.startswith("0.0 of 255")
