"""The grammar of plans where a tool hears: behind its <sub> sounds are legal too, behind every other pictures only."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from agent.grammar import Grammar, read
from agent.tokens import ASK, CHAT, PREV
from sessions.errors import PlanError
from tests.agent import vocabularies
from tests.agent.test_grammar import both, spelled
from tests.agent.writing import PICTURES, SOUNDS, at_random, endlessly
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.registry import registered


@tool("listen", args=ToolArgs, subjects=(1, 3), hears=True)
def listen(ctx: EditContext, args: ToolArgs) -> Edit:
    """A tool that hears."""
    yield Progress(1.0)
    return EditResult(ctx.image)


TOOLS = (listen, *(registered()[name] for name in ("match_colors", "analogy", "blur")))


@both
@pytest.mark.parametrize("sounds", [SOUNDS, ()], ids=["with sounds", "without"])
def test_what_may_be_named_follows_the_step_s_tool(kind: str, sounds: tuple[int, ...]) -> None:
    plans, rng = Grammar(vocabularies.vocabulary(kind), TOOLS), np.random.default_rng(12)
    words, seen = plans.vocabulary, Counter[str]()
    pictures, heard = ({words.slot(n) for n in some} for some in (PICTURES, sounds))
    for number in range(200):
        decoding, ids = plans.start(PICTURES, sounds), list[int]()
        choose = at_random(rng, number % 3 * 5.0) if number % 10 else endlessly(rng)
        while not decoding.done:
            mask = decoding.mask()
            assert mask.any()
            if decoding.expects == "sub":
                step = words.decode(ids).rpartition("<step>")[2].partition("<base>")[0]
                legal = pictures | (heard if step == "listen" else set())
                assert set(mask.nonzero()[0].tolist()) - {words.ids[PREV]} == legal
                seen[step] += 1
            ids.append(choose(decoding, mask))
            decoding.consume(ids[-1])
        assert len(ids) <= plans.budget
        for one in read(plans, ids).steps:
            sounding = any(ref in sounds for ref in one.subjects)
            assert one.base not in sounds and (one.tool == "listen" or not sounding)
            seen["heard"] += sounding
    assert min(seen["listen"], seen["match_colors"], seen["analogy"]) > 10
    assert bool(seen["heard"]) == bool(sounds)


def test_one_step_hears_and_the_next_does_not() -> None:
    plans = Grammar(vocabularies.vocabulary("byte level"), TOOLS)
    texts = (
        "<step>listen<base><r_0><sub><r_5>{}<gen><step>match_colors<base><prev><sub>",
        "<step>match_colors<base><r_0><sub><r_1>{}<gen><step>listen<base><prev><sub>",
    )
    for text, hears in zip(texts, (False, True), strict=True):
        decoding = plans.start([0, 1], [5])
        for token in spelled(plans, text):
            decoding.consume(token)
        assert decoding.mask()[plans.vocabulary.slot(5)] == hears
        if not hears:
            with pytest.raises(PlanError):
                decoding.consume(plans.vocabulary.slot(5))


def test_a_question_is_about_pictures() -> None:
    plans = Grammar(vocabularies.vocabulary("byte level"), TOOLS)
    decoding = plans.start([0], [5])
    for token in spelled(plans, '<ask>"which?"<base>'):
        decoding.consume(token)
    assert not decoding.mask()[plans.vocabulary.slot(5)]


def test_sounds_alone_begin_no_step() -> None:
    plans = Grammar(vocabularies.vocabulary("byte level"), TOOLS)
    words = plans.vocabulary.ids
    assert set(plans.start([], [5]).mask().nonzero()[0].tolist()) == {words[ASK], words[CHAT]}
