"""Models that know nothing, writing plans under the grammar: random logits, and an adversary that will not end."""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from agent.grammar import Decoding, Grammar, Ref, Written, WrittenStep, compiled
from agent.tokens import BASE, EOP, GEN, STEP, Vocabulary
from tests.agent import vocabularies
from tools.registry import registered

Choose = Callable[[Decoding, NDArray[np.bool_]], int]
"""One of the tokens of a mask."""

PICTURES, SOUNDS = (0, 1, 2, 7), (5,)


def grammar(kind: str, size: int = 1000) -> Grammar:
    """Over all registered tools."""
    return compiled(vocabularies.vocabulary(kind, size), tuple(registered().values()))


def write(decoding: Decoding, choose: Choose, most: int | None = None) -> list[int]:
    """Choose tokens until the plan is done, or there are `most`."""
    ids: list[int] = []
    while not decoding.done and len(ids) != most:
        mask = decoding.mask()
        assert mask.any()
        ids.append(choose(decoding, mask))
        decoding.consume(ids[-1])
    return ids


@cache
def closing(words: Vocabulary) -> NDArray[np.bool_]:
    """The tokens that end something: a plan, a step, a string, an object, a list."""
    ends = [piece[:1] in (b'"', b"}", b"]") for piece in words.pieces]
    return np.array(ends) | np.isin(np.arange(words.size), [words.ids[EOP], words.ids[GEN]])


def at_random(rng: np.random.Generator, bias: float = 0.0) -> Choose:
    """The greatest of random logits, those of the closing tokens raised by `bias`."""

    def choose(decoding: Decoding, mask: NDArray[np.bool_]) -> int:
        words = decoding.grammar.vocabulary
        logits = rng.standard_normal(words.size, np.float32) * 3
        logits[closing(words)] += np.float32(bias)
        logits[~mask] = -np.inf
        return int(logits.argmax())

    return choose


def endlessly(rng: np.random.Generator) -> Choose:
    """Whatever puts off the end: other steps, other pictures, the longest letters in the shortest tokens."""

    @cache
    def dread(words: Vocabulary) -> NDArray[np.float64]:
        worst = np.array([10 * len(piece) for piece in words.pieces], float)
        worst -= [5 * (piece[:1] >= b"\xf0") + 4 * (piece[:1] >= b"\x80") for piece in words.pieces]
        worst += 10_000 * closing(words)
        worst[words.ids[STEP]] = worst[words.ids[BASE]] = 0
        worst[words.ids[EOP]] = 100_000
        return worst

    def choose(decoding: Decoding, mask: NDArray[np.bool_]) -> int:
        words = decoding.grammar.vocabulary
        worst = np.where(mask, dread(words) + rng.random(words.size), np.inf)
        return int(worst.argmin())

    return choose


def some_plan(rng: np.random.Generator) -> Written:
    """A plan that somebody could mean, in random words."""
    kind = rng.integers(8)
    if kind == 0:
        return Written(chat=_words(rng, 120))
    if kind == 1:
        return Written(ask=_words(rng, 120), candidates=tuple(rng.integers(0, 64, rng.integers(5)).tolist()))
    return Written(tuple(_some_step(rng, number) for number in range(rng.integers(1, 9))))


def _some_step(rng: np.random.Generator, number: int) -> WrittenStep:
    calls: dict[str, Callable[[], dict[str, object]]] = {
        "adjust": lambda: {"exposure": round(rng.uniform(-1, 1), 3), "shadows": round(rng.uniform(-1, 1), 1)},
        "crop": lambda: {"box": [round(rng.random(), int(rng.integers(4))) for _ in range(4)]},
        "text": lambda: {"text": _words(rng, 120, 1), "at": ["top left", [0.25, 1.0]][rng.integers(2)]},
        "straighten": lambda: {"degrees": ["auto", round(rng.uniform(-45, 45), 2)][rng.integers(2)]},
        "resize": lambda: {"width": int(rng.integers(1, 16385))},
        "match_colors": lambda: {},
        "analogist": lambda: {"prompt": _words(rng, 60), "layers": [1, 64], "steps": 500},
        "diffedit": lambda: {"query": _words(rng, 60, 1), "clamp": "quantile", "ask": bool(rng.integers(2))},
        "remove": lambda: {},
    }
    name = str(rng.choice(list(calls)))
    tool = registered()[name]
    refs: list[Ref] = [int(ref) for ref in rng.integers(0, 64, 1 + tool.subjects[1])]
    base, *subjects = ["prev" if number and rng.random() < 0.4 else ref for ref in refs]
    placed = tool.region == "required" or (tool.region == "optional" and rng.random() < 0.5)
    return WrittenStep(name, base, tuple(subjects), _words(rng, 60, 1) if placed else None, calls[name]())


def _words(rng: np.random.Generator, most: int, least: int = 0) -> str:
    letters = [*string.ascii_letters, *'0123456789 .,"\\/{}[]<>éßжλ日本語😀́‮—', "<step>"[:1]]
    return "".join(rng.choice(letters, rng.integers(least, most + 1)))
