"""Ids: what takes part, what does not, and that the canonical form never changes unnoticed."""

import math

import pytest

from sessions.identity import canonical, picture_hash, revision_id, seed_for
from sessions.values import IDENTITY, Region, Step

STEP = Step("blur", "1", {"amount": 0.5}, "r1:" + "a" * 64, region=Region(words="the sky"), seed=7)


def an_id(**changes) -> str:
    parts = {"parents": ("r1:" + "a" * 64,), "step": STEP, "geometry": IDENTITY, "image": "b" * 64, "mask": None}
    return revision_id(**parts | changes)


def test_the_form_is_frozen():
    assert canonical({"b": 1.5, "a": [None, True, "ü"]}) == '{"a":[null,true,"ü"],"b":1.5}'.encode()
    frozen = "r1:74d7eb04623a0790b557d49faf654e36a31ce6a7657d6c956d54abcdfe8fb69a"
    assert an_id() == frozen, "a changed form needs another prefix"


@pytest.mark.parametrize(
    "change",
    [
        {"parents": ()},
        {"parents": ("r1:" + "a" * 64, "r1:" + "c" * 64)},
        {"step": None},
        {"step": Step("blur", "2", {"amount": 0.5}, "r1:" + "a" * 64, region=Region(words="the sky"), seed=7)},
        {"step": Step("blur", "1", {"amount": 0.6}, "r1:" + "a" * 64, region=Region(words="the sky"), seed=7)},
        {"step": Step("blur", "1", {"amount": 0.5}, "r1:" + "a" * 64, region=Region(words="the sea"), seed=7)},
        {"step": Step("blur", "1", {"amount": 0.5}, "r1:" + "a" * 64, region=Region(words="the sky"), seed=8)},
        {"geometry": (1.0, 0.0, 5.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)},
        {"image": "c" * 64},
        {"mask": "c" * 64},
    ],
)
def test_every_part_takes_part(change):
    assert an_id(**change) != an_id()


def test_no_number_that_json_cannot_say():
    with pytest.raises(ValueError, match="JSON"):
        canonical({"x": math.nan})


def test_integers_and_floats_of_a_geometry_are_the_same_place():
    assert an_id(geometry=(1, 0, 0, 0, 1, 0, 0, 0, 1)) == an_id()


def test_seeds_are_the_same_in_every_retry_and_differ_by_step():
    assert seed_for("r", 0) == seed_for("r", 0)
    assert len({seed_for("r", i) for i in range(100)} | {seed_for("s", 0)}) == 101
    assert 0 <= seed_for("r", 0) < 2**48


def test_tile_order_matters():
    a, b = "aa" * 32, "bb" * 32
    assert picture_hash("RGB", 600, 10, [a, b]) != picture_hash("RGB", 600, 10, [b, a])
