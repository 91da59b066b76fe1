"""R20: whatever a model writes is a plan over the registered tools within its bounds, or a PlanError."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from agent.grammar import BUDGET, Grammar, Written, read, said
from agent.plan import MAX_STEPS
from agent.tokens import EOP, SLOTS, SPECIALS
from sessions.errors import PlanError
from tests.agent.vocabularies import KINDS
from tests.agent.writing import PICTURES, SOUNDS, at_random, grammar, some_plan, write
from tools.registry import registered

Rng = np.random.Generator
STRINGS = 10_000
"""Of each kind of tokenizer."""

HAND_MADE = [
    "<step>delete_all_sessions<base><r_0>{}<gen><eop>",
    "<step>flip<base><r_0>{}<gen>" * 200 + "<eop>",
    "<step>" * 500,
    "<step>blur<base><r_0>" + "{" * 900,
    '<step>crop<base><r_0>{"box":' + "[" * 900 + "]" * 900 + "}<gen><eop>",
    '<step>blur<base><r_0>{"amount":1e999}<gen><eop>',
    '<step>blur<base><r_0>{"amount":NaN}<gen><eop>',
    '<step>blur<base><r_0>{"amount":' + "9" * 1500 + "}<gen><eop>",
    '<step>blur<base><r_0>{"__class__":0.5}<gen><eop>',
    '<step>text<base><r_0>{"text":"\\ud800"}<gen><eop>',
    '<step>text<base><r_0>{"text":"\\u0000"}<gen><eop>',
    '<step>text<base><r_0>{"text":"' + "日" * 121 + '"}<gen><eop>',
    '<chat>"' + "\\" * 999 + '"<eop>',
    '<ask>"?"' + "<base><r_1>" * 400 + "<eop>",
    "<eop>" * 100,
    "</s>",
]


@cache
def legal(plans: Grammar) -> list[list[int]]:
    """A few hundred plans."""
    rng = np.random.default_rng(19)
    return [said(plans.vocabulary, some_plan(rng)) for _ in range(300)]


def some(plans: Grammar, rng: Rng) -> list[int]:
    return legal(plans)[rng.integers(300)]


def scattered(plans: Grammar, rng: Rng) -> list[int]:
    """Ids of which any may be anything, special ones among them more often than by chance."""
    words, count = plans.vocabulary, int(rng.integers(60))
    special, ordinary = rng.choice(list(words.ids.values()), count), rng.integers(0, words.size, count)
    return [int(token) for token in np.where(rng.random(count) < 0.4, special, ordinary)]


def mutated(plans: Grammar, rng: Rng) -> list[int]:
    """A plan in which one to three things were changed, taken out, put in, doubled or exchanged."""
    ids = some(plans, rng)
    for _ in range(rng.integers(1, 4)):
        at, to = sorted(rng.integers(0, len(ids) + 1, 2).tolist())
        one = int(rng.choice(ids)) if rng.random() < 0.5 else int(rng.choice(scattered(plans, rng) or [0]))
        changes = [
            [*ids[:at], one, *ids[at + 1 :]],
            ids[:at] + ids[at + 1 :],
            [*ids[:at], one, *ids[at:]],
            ids[:to] + ids[at:],
            ids[:at] + ids[to:],
            ids[:at] + some(plans, rng)[-at:],
        ]
        ids = changes[rng.integers(len(changes))] or [0]
    return ids


@cache
def marked(plans: Grammar, text: str) -> list[int]:
    """The ids of a text, its special tokens meant."""
    return list(plans.vocabulary.tokenizer.encode(text, add_special_tokens=False).ids)


def spelled(plans: Grammar, rng: Rng) -> list[int]:
    """Hand-made malice, cut off somewhere, perhaps behind a plan."""
    text = HAND_MADE[rng.integers(len(HAND_MADE))]
    ids = marked(plans, text)[: rng.integers(1, 3000)]
    return some(plans, rng)[:-1] + ids if rng.random() < 0.2 else ids


def lengthened(plans: Grammar, rng: Rng) -> list[int]:
    """Several legal plans behind one another, with or without the ends of the first ones."""
    end = plans.vocabulary.ids[EOP]
    parts = [some(plans, rng) for _ in range(rng.integers(1, 9))]
    joined = [token for part in parts for token in part]
    return [token for token in joined[:-1] if token != end] + [end] if rng.random() < 0.7 else joined


def within_bounds(plan: Written) -> bool:
    refs = [ref for step in plan.steps for ref in (step.base, *step.subjects)] + list(plan.candidates)
    kinds = [bool(plan.steps), plan.ask is not None, plan.chat is not None]
    return (
        len(plan.steps) <= MAX_STEPS
        and sum(kinds) == 1
        and all(step.tool in registered() for step in plan.steps)
        and all(ref == "prev" or 0 <= ref < SLOTS for ref in refs)
    )


def tried(plans: Grammar, ids: list[int]) -> Written | None:
    """The plan of these ids, within its bounds; None for a PlanError. Nothing else may be raised."""
    try:
        plan = read(plans, ids)
    except PlanError as error:
        assert error.message.endswith(".")
        return None
    assert len(ids) <= BUDGET
    assert within_bounds(plan)
    return plan


@pytest.mark.parametrize("kind", KINDS)
def test_a_string_of_tokens_is_a_plan_or_an_error(kind: str) -> None:
    plans, rng, seen = grammar(kind), np.random.default_rng(20), Counter[str]()
    ways = (scattered, mutated, mutated, spelled, lengthened)
    for number in range(STRINGS):
        way = ways[number % len(ways)]
        seen[f"{way.__name__} {tried(plans, way(plans, rng)) is not None}"] += 1
    for way in (mutated, lengthened):
        assert min(seen[f"{way.__name__} True"], seen[f"{way.__name__} False"]) > 50, seen


@pytest.mark.parametrize("kind", KINDS)
def test_a_decode_takes_no_token_that_its_mask_forbids(kind: str) -> None:
    """Every 20th token of a decode is tried against all the others; the decode goes on as if nothing had been."""
    plans, rng = grammar(kind), np.random.default_rng(21)
    for _ in range(25):
        decoding, ids = plans.start(PICTURES, SOUNDS), list[int]()
        choose = at_random(rng, 3.0)
        while not decoding.done:
            mask = decoding.mask()
            for token in rng.choice((~mask).nonzero()[0], 3).tolist():
                with pytest.raises(PlanError):
                    decoding.consume(token)
            assert (decoding.mask() == mask).all()
            ids.append(choose(decoding, mask))
            decoding.consume(ids[-1])
        assert within_bounds(read(plans, ids))


def test_special_tokens_that_have_no_place_in_a_plan_are_never_offered() -> None:
    plans, rng = grammar("byte fallback"), np.random.default_rng(22)
    used = {plans.vocabulary.ids[name] for name in SPECIALS if name != "<video>"}
    foreign = list(plans.vocabulary.special - used)
    assert {plans.vocabulary.decode([token]) for token in foreign} == {"<video>", "<unk>", "<s>", "</s>"}
    choose = at_random(rng, 1.0)
    for _ in range(50):
        decoding = plans.start(PICTURES, SOUNDS)
        write(decoding, lambda step, mask: choose(step, mask) if not mask[foreign].any() else pytest.fail("offered"))


def test_what_is_hand_made_is_refused_in_a_sentence() -> None:
    plans = grammar("byte level")
    for text in HAND_MADE:
        with pytest.raises(PlanError, match=re.compile("plan", re.IGNORECASE)):
            read(plans, marked(plans, text))
