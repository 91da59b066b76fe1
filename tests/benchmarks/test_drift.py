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
    found = bench.compared(None, [dim])
    assert found["outside"] == [0, 0, 0] and found["outside_chained"] == [bench.TURNS] * 3
    assert found["outside_ten_turns"] == found["outside_ten_turns_pixels"] == [0, 0, 0]
    assert "outside" not in bench.compared(None, [talks["global"]])


def spilling(weights, before, words, talk, seed):
    """An editor that adds one level to the corner of the picture at every turn, region or none."""
    rgb = before.image.pixels.copy()
    rgb[0, 0] += 1
    return EditResult(Picture(rgb))


def test_what_is_lost_in_ten_turns_is_seen_though_the_policy_makes_one(talks, monkeypatch):
    dim = replace(talks["local"], photo=talks["local"].photo // 2, exact=tuple(e // 2 for e in talks["local"].exact))
    monkeypatch.setattr(bench, "turn", spilling)
    found = bench.compared(None, [dim])
    once = found["outside"][0]
    assert 0 < once < found["outside_ten_turns"][0] == found["outside_ten_turns_pixels"][0]
    assert found["outside_ten_turns"][0] == pytest.approx(bench.TURNS * once, abs=0.001)


def test_the_part_names_each_conversation(monkeypatch):
    monkeypatch.setattr(bench, "turn", worse)
    found = bench.measured(None, 1)
    assert {"outside", "outside_chained", "global_chain_last_turn", "local_policy_gain"} <= found.keys()
    assert not any(name.startswith("local_outside") for name in found)
