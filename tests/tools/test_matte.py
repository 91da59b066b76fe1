"""The colour under a soft edge, on composites whose subject, background and matte are known."""

import numpy as np
import pytest

from tools.matte import foreground, reach_of

SIZE = 96
Y, X = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE
ALPHA = np.clip((0.35 - np.hypot(X - 0.5, Y - 0.5)) / 0.04 + 0.5, 0, 1).astype(np.float32)
"""A disc with an edge four pixels wide."""
SOFT = (ALPHA > 0.05) & (ALPHA < 0.95)
A = ALPHA[..., None]


def flat(*colour: float) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), colour, np.float32)


def shaded(*colour: float) -> np.ndarray:
    return np.float32(flat(*colour) * (0.6 + 0.4 * X[..., None]))


LIMIT = 0.02 * 255
"""Mean error, in levels."""


@pytest.mark.parametrize("made", [flat, shaded])
def test_the_subjects_own_colour_comes_out_of_the_soft_edge(made):
    subject, behind = made(220, 40, 30), made(20, 90, 200)
    seen = A * subject + (1 - A) * behind
    found = foreground(seen, ALPHA, reach_of((SIZE, SIZE)))
    assert np.abs(found - subject)[SOFT].mean() < 0.15 * np.abs(seen - subject)[SOFT].mean()


@pytest.mark.parametrize("made", [flat, shaded])
def test_put_back_before_its_own_background_it_is_the_photo(made):
    behind = made(20, 90, 200)
    seen = A * made(220, 40, 30) + (1 - A) * behind
    again = A * foreground(seen, ALPHA, reach_of((SIZE, SIZE))) + (1 - A) * behind
    assert np.abs(again - seen)[SOFT].mean() < LIMIT
    assert np.array_equal(again[ALPHA == 0], seen[ALPHA == 0])
