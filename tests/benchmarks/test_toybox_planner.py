"""The planner's part of the toybox: what is counted, what costs nothing, and the starter's planner on dialogues."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from agent.decoding import Decoded
from agent.grammar import Written
from agent.plan import Ask, Candidate, Plan, PlanStep
from agent.pointer import Pick
from benchmarks import dialogues, world
from benchmarks import toybox_planner as bench
from tools.shelf import PLANNER, STARTER
from toybox.dialogues import dialogue
from training.examining import Answer
from training.lessons import Lesson

SOME = [dialogue(n) for n in range(40)]


def lesson(one, width=3):
    return Lesson(one, torch.ones(len(one.items), width), torch.zeros(0, width))


def answered(one, written=None, asking=0.0, sure=1.0):
    return Answer(lesson(one), written or one.written, Decoded(picks=[None, Pick(0, 1, sure)]), asking)


def test_the_truth_is_right_everywhere_and_nothing_nowhere():
    true = bench.told([answered(one) for one in SOME], "")
    assert {value for name, value in true.items() if not name.endswith("_ci")} - {0.0} == {1.0}
    assert true["asks_needlessly"] == 0 and true["state_2_3"] == true["base_at_1_of_8"] == 1
    none = bench.told([answered(one, Written(chat="")) for one in SOME], "_x")
    assert none["base_at_1_x"] == none["sub_at_1_x"] == none["tool_accuracy_x"] == none["state_single_x"] == 0


def test_a_step_that_is_missing_has_a_wrong_base_and_wrong_subjects():
    one = next(one for one in SOME if len(one.written.steps) > 1)
    short = Written(one.written.steps[:1])
    assert dialogues.hits([answered(one, short)])["base"] == [True]
    two = next(d for d in map(dialogue, range(4000)) if any(step.subjects for step in d.written.steps[1:]))
    assert not all(dialogues.hits([answered(two, Written(two.written.steps[:1]))])["sub"])


def test_doubt_is_about_one_half_where_it_asks():
    clear = [answered(SOME[0], asking=0.1, sure=0.9), answered(SOME[0], asking=0.4, sure=0.5)]
    unclear = [answered(SOME[0], asking=0.0, sure=0.05), answered(SOME[0], asking=0.6, sure=0.9)]
    found = bench.doubt(clear, unclear, 0.2)
    assert found["ask_auroc"] == 1 and found["ask_auroc_said"] == 0.5 and found["ask_auroc_pointer"] == 0.625
    assert found["ask_auroc_ci"] == [1, 1]
    assert bench.doubt(clear, unclear, 0.0)["ask_auroc"] == found["ask_auroc_said"]


def test_only_sounds_go_unheard():
    one = next(one for one in SOME if {item.kind for item in one.items} == {"picture", "sound"})
    seen = dialogues.unheard(lesson(one))
    assert [bool(row.any()) for row in seen] == [item.kind == "picture" for item in one.items]


def test_several_planners_are_told_together():
    found = bench.together([{"a": 0.5, "a_ci": [0.4, 0.6]}, {"a": 1.0, "a_ci": [0.9, 1.0]}])
    assert found == {"a": 0.75, "a_seeds": [0.5, 1.0], "a_ci": [0.4, 1.0]}
    assert bench.together([{"a": 0.5}]) == {"a": 0.5}


def test_who_looks_at_nothing():
    some = [lesson(one) for one in SOME if one.written.steps]
    found = bench.at_no_cost(SimpleNamespace(all=some))
    assert found["base_at_1_head"] == np.mean(
        [d.dialogue.head == d.dialogue.written.steps[0].base for d in some]
    ).round(4)
    assert 0 < found["base_at_1_history_random"] < found["base_at_1_random"] < 0.7
    assert all(part in found for part in ("base_at_1_latest", "base_at_1_original", "tool_accuracy_usual"))


# The rules


def test_the_rules_are_told_of_the_session_as_it_is():
    one = replace(SOME[0], message="make it black and white")
    plan = bench.ruled(lesson(one))
    assert [step.tool for step in plan.written.steps] == ["monochrome"] and plan.written.steps[0].base == one.head
    told = bench.context(one)
    assert len(told.revisions) + len(told.attachments) == len(one.items)
    assert {r.parents[0] for r in told.revisions if r.parents} <= {r.id for r in told.revisions}


def test_a_plan_in_names_is_one_in_places():
    first, third = (f"{place + 1:064x}" for place in (0, 2))
    steps = (PlanStep(tool="blur", base=third, region={"words": "the sky"}), PlanStep(tool="match", subjects=(first,)))
    found = bench.written(Plan(steps=steps), head=1)
    assert [(s.base, s.subjects, s.where) for s in found.steps] == [(2, (), "the sky"), ("prev", (0,), None)]
    among = (Candidate(label="a", revision=first), Candidate(label="b", value="red"))
    assert bench.written(Plan(ask=Ask(question="?", candidates=among)), 1).candidates == (0,)
    assert bench.written(Plan(chat="no"), 1) == Written(chat="no")


# The whole


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    weights = world.shelf(tmp_path_factory.mktemp("home"))
    folder = STARTER.parent / PLANNER
    return bench.figures([folder, folder], weights, 3) | bench.cost(folder, weights, 1)


def test_all_figures_are_there(found):
    from benchmarks.toybox import PARTS

    assert {*PARTS["planner"].keys, "plan_s"} - {"sub_at_1"} <= found.keys()
    assert found["parse_rate"] == 1 and 0 <= found["parse_rate_free"] <= 1
    assert found["tool_accuracy_seeds"][0] == found["tool_accuracy_seeds"][1] == found["tool_accuracy"]
    for name in ("state_sounds_shuffled", "state_sounds_unheard", "base_at_1_cosine", "base_at_1_blinded"):
        assert 0 <= found[name] <= 1
    assert found["plan_s_ci"][0] <= found["plan_s"] <= found["plan_s_ci"][1]


def test_a_reply_without_a_grammar_can_be_none(monkeypatch):
    """What a network says that knows nothing is no plan."""
    who = dialogues.candidate(STARTER.parent / PLANNER)
    one = Lesson(SOME[0], torch.randn(len(SOME[0].items), who.heads.space), torch.zeros(0, who.heads.space))
    thread = SimpleNamespace(feed=lambda *_, **__: SimpleNamespace(logits=np.zeros(who.llm.vocabulary, np.float32)))
    heard = bench.heard(who, one)
    monkeypatch.setattr(bench, "heard", lambda *_: replace(heard, thread=thread, logits=np.zeros(who.llm.vocabulary)))
    assert not bench.free(who, one)
