"""Dialogues about photos: legal, wide, of nothing that is seen; where the rules understand one, theirs is the plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from agent.grammar import Written, WrittenStep
from agent.planners.rules import RulesPlanner
from benchmarks.toybox_rules import context, name_of, written
from tools.registry import registered
from toybox import photo_words
from toybox.dialogues import Dialogue
from toybox.executing import executed
from toybox.photo_works import WORKS
from toybox.photographed import photographed, referring

COUNT = 600


@pytest.fixture(scope="module")
def many() -> list[Dialogue]:
    return [photographed(seed) for seed in range(COUNT)]


@pytest.fixture(scope="module")
def held() -> list[Dialogue]:
    return [photographed(seed, held_out=True) for seed in range(COUNT // 3)]


# --- beside the rules -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """A dialogue beside the rules: whether they `understood` it, and what they have instead."""

    understood: bool
    differs: str = ""


def compared(one: Dialogue) -> Compared:
    there = context(one)
    plan = RulesPlanner().plan(one.message, there)
    if plan.chat is not None:
        return Compared(False)
    if plan.ask is not None:
        asked = {candidate.revision for candidate in plan.ask.candidates if candidate.revision}
        meant = {name_of(place) for place in one.written.candidates}
        same = one.written.ask is not None and asked in (set(), meant)
        return Compared(True, "" if same else f"asks {plan.ask.question} {asked}")
    found = written(plan, there)
    return Compared(True, "" if found == Written(one.written.steps) else f"{plan.command} {found}")


def test_where_the_rules_understand_a_message_theirs_is_the_plan(many, held):
    found = [(one, compared(one)) for one in [*many, *held]]
    wrong = [f"{one.message!r}: {it.differs}, not {one.written}" for one, it in found if it.differs]
    assert not wrong, "\n".join(wrong[:5])
    assert sum(it.understood for _, it in found) > 0.6 * len(found)
    assert sum(not it.understood for one, it in found if one.written.steps) > 20


def test_every_plan_is_legal(many, held):
    for one in [*many, *held]:
        assert sum(bool(part) for part in (one.written.steps, one.written.ask, one.written.chat)) == 1
        assert len(one.results) == len(one.written.steps)
        for place, step in enumerate(one.written.steps):
            tool = registered()[step.tool]
            tool.args.model_validate(step.args)
            fields = list(tool.args.model_fields)
            assert [fields.index(name) for name in step.args] == sorted(fields.index(name) for name in step.args)
            assert tool.subjects[0] <= len(step.subjects) <= tool.subjects[1]
            assert step.where or tool.region != "required"
            assert step.where is None or tool.region != "none"
            for ref in (step.base, *step.subjects):
                assert place > 0 if ref == "prev" else 0 <= ref < len(one.items)
        for place, item in enumerate(one.items):
            assert item.scene is None and item.unknown and (item.parent is None or item.parent < place)
        assert len({item.jitter for item in one.items}) == len(one.items)
        assert executed(one.written, one)


def test_they_are_of_every_kind_and_said_in_many_ways(many):
    tools = Counter(step.tool for one in many for step in one.written.steps)
    assert {"adjust", "crop", "remove", "text", "match_colors", "insert_subject", "replace_background"} <= set(tools)
    assert Counter(len(one.written.steps) for one in many).keys() >= {0, 1, 2, 3}
    assert {"ordinal", "original", "previous", "latest", "where", "before", "attached"} <= {
        one.reference for one in many
    }
    assert any(one.written.candidates for one in many)
    assert any(one.written.chat == photo_words.NO_TOOL for one in many)
    assert len({one.message for one in many}) > 0.9 * len(many)
    assert len({step.where for one in many for step in one.written.steps}) > 20
    assert sum(len(work.of) + len(work.whole) for work in WORKS.values()) > 250


def test_what_is_held_out_is_never_said_otherwise(many, held):
    said = {phrase for work in WORKS.values() for phrase in (*work.of, *work.whole)}
    assert not said & {phrase for work in WORKS.values() for phrase in work.unseen}
    assert photographed(5, held_out=True) == photographed(5, held_out=True) != photographed(5)
    assert not {one.message for one in many} & {one.message for one in held}


def test_another_version_or_part_is_another_end(many):
    one = next(one for one in many if one.reference == "ordinal" and len(one.written.steps) == 1)
    (step,) = one.written.steps
    other = next(place for place in range(len(one.items)) if place != step.base)
    assert not executed(Written(steps=(WrittenStep(step.tool, other, step.subjects, step.where, step.args),)), one)
    assert not executed(Written(steps=(WrittenStep("blur", step.base, (), "cat", {}),)), one)


def test_versions_are_told_of_where_dialogues_are_asked_for_that_do() -> None:
    found = [referring(seed) for seed in range(200)]
    ways = Counter(one.reference for one in found if one.kind == "history")
    assert {*ways} == {"original", "where", "before"} and min(ways.values()) > 20
    assert all(one.written.ask for one in found if one.kind == "ask")
