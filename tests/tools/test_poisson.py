"""The membrane against the exact solution of its linear system, and what it does to pictures."""

import cv2
import numpy as np
import pytest
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from tools.poisson import membrane

STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def solved(known: np.ndarray, inside: np.ndarray) -> np.ndarray:
    steps = membrane(known.astype(np.float32), inside)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


def exact(known: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Σ_q (e_p − e_q) = 0 for each p inside, over its neighbours in the array: equation 7 of the paper with v = 0."""
    place = np.full(inside.shape, -1)
    place[inside] = np.arange(inside.sum())
    system, b = lil_matrix((inside.sum(), inside.sum())), np.zeros((inside.sum(), 3))
    for p, (y, x) in enumerate(np.argwhere(inside)):
        for dy, dx in STEPS:
            if not (0 <= y + dy < inside.shape[0] and 0 <= x + dx < inside.shape[1]):
                continue
            system[p, p] += 1
            if inside[y + dy, x + dx]:
                system[p, place[y + dy, x + dx]] = -1
            else:
                b[p] += known[y + dy, x + dx]
    out = known.astype(float).copy()
    out[inside] = spsolve(system.tocsr(), b)
    return out


def shapes() -> dict[str, np.ndarray]:
    y, x = np.mgrid[:61, :70]
    disc = np.hypot(x - 35, y - 30) < 24
    comb = ((x // 7) % 2 == 0) & (y > 4) & (y < 55)
    return {"disc": disc, "at the border": x < 30, "ring": disc & (np.hypot(x - 35, y - 30) > 9), "comb": comb}


@pytest.mark.parametrize("name", shapes())
def test_it_is_the_solution_within_a_hundredth_of_the_range(name):
    inside = shapes()[name]
    y, x = np.mgrid[:61, :70]
    grain = np.random.default_rng(0).normal(0, 30, inside.shape)
    known = np.stack([100 * np.sin(x / 7) + y, x * 2.0, grain], axis=2)
    error = np.abs(solved(known, inside) - exact(known, inside))
    assert error.max() < 0.02 * np.ptp(known)
    assert error[inside].mean() < 0.003 * np.ptp(known)


def test_nothing_outside_moves_and_a_flat_rim_makes_a_flat_membrane():
    inside = shapes()["disc"]
    known = np.random.default_rng(1).normal(0, 9, (*inside.shape, 3)).astype(np.float32)
    assert np.array_equal(solved(known, inside)[~inside], known[~inside])
    flat = np.where(inside[..., None], np.float32(99), np.float32(7)) * np.ones(3, np.float32)
    assert np.abs(solved(flat, inside) - 7).max() < 0.05


def test_it_stays_between_the_least_and_the_most_of_the_rim():
    inside = shapes()["ring"]
    known = np.random.default_rng(2).uniform(-50, 50, (*inside.shape, 3)).astype(np.float32)
    rim = (cv2.dilate(inside.view(np.uint8), np.ones((3, 3))) > 0) & ~inside
    e = solved(known, inside)[inside]
    assert e.min() >= known[rim].min() - 1
    assert e.max() <= known[rim].max() + 1


def test_an_empty_place_is_no_trouble():
    known = np.ones((20, 30, 3), np.float32)
    assert np.array_equal(solved(known, np.zeros((20, 30), bool)), known)
