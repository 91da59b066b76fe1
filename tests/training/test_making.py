"""What is made once: as far as the time goes but some, kept from time to time, and the same however often stopped."""

import math

import pytest
import torch

from tools.weights import tensors
from training import making
from training.making import by_number, made


def squares(few):
    """Two tensors of which the second has two rows for each number."""
    n = torch.tensor([*few])
    return {"n": n, "twice": (n * n).repeat_interleave(2)}


def test_stopped_and_gone_on_with_it_is_the_same(tmp_path):
    portions = by_number(squares, 7, 2)
    assert made(tmp_path / "whole", 7, "n", math.inf, portions) == 7
    counts = [made(tmp_path / "parts", 7, "n", -math.inf, portions) for _ in range(5)]
    assert counts == [2, 4, 6, 7, 7]
    whole, parts = (tensors(tmp_path / name) for name in ("whole", "parts"))
    assert torch.equal(whole["twice"], squares(range(7))["twice"])
    assert all(torch.equal(rows, parts[name]) for name, rows in whole.items())


def test_a_stop_by_force_loses_what_was_made_since(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "SAVE_EVERY", -1.0)

    def until_six(few):
        if 6 in few:
            raise KeyboardInterrupt
        return squares(few)

    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "parts", 9, "n", math.inf, by_number(until_six, 9, 2))
    assert tensors(tmp_path / "parts")["n"].tolist() == [*range(6)]
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]
