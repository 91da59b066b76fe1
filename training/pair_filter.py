"""Which drawn pairs are kept: by cosines of an encoder of pictures and words (arXiv 2211.09800, section 3.1.2).

Both pictures must be alike, each like its caption, and the way between them like the way between the captions (Gal et
al., arXiv 2108.00946); the best by that are kept. The thresholds are CLIP ViT-L/14's; another encoder has others, which
exact pairs of the toybox tell (`calibrated`). Draws nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sessions.values import Pixels
from tools.encoders import Vectors
from toybox.drawing import draw
from training import caption_triples

Numbers = NDArray[np.float64]
EXACT, LOST, SEED = 200, 0.02, 2**31
"""Exact pairs that thresholds are calibrated on, the share of them that each threshold may lose, and their seed."""
STILL = 1e-4
"""Vectors of length 1 closer than this differ by rounding: a way of no direction."""


class Eyes(Protocol):
    """An encoder with one space for pictures and words; rows have length 1."""

    def pictures(self, pixels: Sequence[Pixels]) -> Vectors: ...

    def texts(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True)
class Thresholds:
    """The least cosines, the paper's, and how many are kept at most. The released code has 0.7 for `alike`."""

    alike: float = 0.75
    said: float = 0.2
    direction: float = 0.2
    most: int = 4


@dataclass(frozen=True, eq=False)
class Marks:
    """Of n pairs, (n,) each: cosines of both pictures, of each picture and its caption, and of the two ways."""

    alike: Numbers
    before: Numbers
    after: Numbers
    direction: Numbers


def marked(eyes: Eyes, before: Sequence[Pixels], after: Sequence[Pixels], said: Sequence[tuple[str, str]]) -> Marks:
    """The marks of pairs with their captions, before and after each."""
    texts = eyes.texts([text for both in said for text in both])
    return marks(eyes.pictures(before), eyes.pictures(after), texts[::2], texts[1::2])


def marks(before: Vectors, after: Vectors, said: Vectors, edited: Vectors) -> Marks:
    """The same of vectors (n, D) of length 1."""
    return Marks(_cosines(before, after), _cosines(before, said), _cosines(after, edited),
                 _cosines(after - before, edited - said))  # fmt: skip


def _cosines(a: Vectors, b: Vectors) -> Numbers:
    """(n,); of a vector of no length -1: a picture that did not change is no example of a change."""
    lengths = [np.linalg.norm(one.astype(np.float64), axis=1) for one in (a, b)]
    dots = (a.astype(np.float64) * b).sum(1)
    there = np.minimum(*lengths) > STILL
    return np.where(there, dots / np.where(there, lengths[0] * lengths[1], 1), -1.0)


def kept(found: Marks, least: Thresholds) -> list[int]:
    """Which pairs pass, the best direction first, at most `least.most`."""
    passed = np.flatnonzero(np.logical_and.reduce([*passing(found, least).values()]))
    best = sorted(passed.tolist(), key=lambda one: (-found.direction[one], one))
    return best[: least.most]


def passing(found: Marks, least: Thresholds) -> dict[str, NDArray[np.bool_]]:
    """Which pairs pass which threshold."""
    said = np.minimum(found.before, found.after)
    return {
        "alike": found.alike >= least.alike,
        "said": said >= least.said,
        "direction": found.direction >= least.direction,
    }


def calibrated(eyes: Eyes, count: int = EXACT, lost: float = LOST) -> Thresholds:
    """What all but a share of the toybox's exact pairs reach in each mark, by themselves.

    Pairs whose captions are one to the encoder, cut off where it stops reading, do not count for the ways.
    """
    exact = [caption_triples.exact(item, SEED) for item in range(count)]
    before, after = ([draw(scenes[i]).rgb for scenes in exact] for i in (0, 1))
    found = marked(eyes, before, after, [(one.caption, one.edited) for _, _, one in exact])
    ways = found.direction[found.direction > -1]
    values = found.alike, np.minimum(found.before, found.after), ways if len(ways) else -np.ones(1)
    return Thresholds(*(round(float(np.quantile(one, lost)), 3) for one in values))
