"""The planner's part of the toybox: what is counted, what costs nothing, and the starter's planner on dialogues."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from agent.decoding import Decoded
from agent.grammar import Written
from agent.plan import Ask, Candidate, Plan, PlanStep
from agent.planners.shelved import CARD
from agent.pointer import Pick
from benchmarks import dialogues
from benchmarks import toybox_planner as bench
from benchmarks import toybox_rules as rules
from sessions.errors import BadArguments, BadWeights, MissingWeights
from tools.shelf import PLANNER, STARTER
from toybox.dialogues import dialogue, four
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


def said(some):
    """Lessons as the examination has them."""
    return SimpleNamespace(all=some, longer=[lesson(four(3))])


def test_who_looks_at_nothing():
    some = [lesson(one) for one in SOME if one.written.steps]
    found = bench.at_no_cost(said(some), said(some[:4]))
    assert found["base_at_1_head"] == np.mean(
        [d.dialogue.head == d.dialogue.written.steps[0].base for d in some]
    ).round(4)
    assert 0 < found["base_at_1_history_random"] < found["base_at_1_random"] < 0.7
    assert all(part in found for part in ("base_at_1_latest", "base_at_1_original", "tool_accuracy_usual"))
    assert {"state_4_rules", "state_single_rules_held_out", "base_at_1_history_latest"} <= found.keys()
    many = [d.dialogue for d in some if bench.pictures(d.dialogue) >= 8]
    assert 0 < len(many) < len(some) and found["base_at_1_of_8_random"] <= 1 / 8
    right = [bench.latest(one) == one.written.steps[0].base for one in many]
    assert found["base_at_1_of_8_latest"] == np.mean(right).round(4)


def test_doubt_is_told_apart_where_a_picture_is_named():
    """It is easy to be sure of the head: against such messages alone doubt would look better than it is."""
    by = {one.reference: one for one in SOME}
    assert not bench.names(by["head"]) and bench.names(by["content"])
    assert all(bench.names(one) for one in map(dialogue, range(400)) if one.written.ask)
    clear = [answered(by["head"], asking=0.0, sure=0.9), answered(by["content"], asking=0.9, sure=0.9)]
    unclear = [answered(by["content"], asking=0.5, sure=0.9)]
    assert bench.doubt(clear, unclear, 0.2)["ask_auroc"] == 0.5
    assert bench.doubt(clear[1:], unclear, 0.2, "_named")["ask_auroc_named"] == 0
    assert bench.doubt([], unclear, 0.2) == {}


def test_others_sounds_are_of_other_names_and_each_is_heard_once():
    some = [one for one in map(dialogue, range(120)) if bench.sounds(one)]
    sounding = [replace(lesson(one), seen=torch.rand(len(one.items), 3)) for one in some]
    others = dialogues.exchanged(sounding)
    own = {}
    for one in sounding:
        pairs = zip(one.seen, one.dialogue.items, strict=True)
        own |= {tuple(h.tolist()): item.sound for h, item in pairs if item.kind == "sound"}
    heard = []
    for one in sounding:
        for h, before, item in zip(others(one), one.seen, one.dialogue.items, strict=True):
            if item.kind == "picture":
                assert torch.equal(h, before)
            else:
                heard.append(tuple(h.tolist()))
                assert own[heard[-1]] != item.sound
    assert sorted(heard) == sorted(own) and len(own) > 3
    with pytest.raises(ValueError, match="same sound"):
        dialogues.exchanged(sounding[:1])


# The rules


def test_the_rules_are_told_of_the_session_as_it_is():
    one = replace(next(one for one in SOME if not one.attachments), message="make it black and white")
    plan = rules.ruled(lesson(one))
    assert [step.tool for step in plan.written.steps] == ["monochrome"] and plan.written.steps[0].base == one.head
    told = rules.context(one)
    assert len(told.revisions) + len(told.attachments) == len(one.items)
    assert {r.parents[0] for r in told.revisions if r.parents} <= {r.id for r in told.revisions}
    assert told.branches[told.branch] == told.head


def test_the_rules_go_where_a_message_says():
    """A plan of theirs begins at the version that its command goes to, or at the photo that came with the message."""
    back = next(one for one in SOME if len(one.items) > 4 and not one.attachments and one.head > 1)
    (step,) = rules.ruled(
        lesson(replace(back, message="take the first picture and make it black and white"))
    ).written.steps
    assert (step.tool, step.base) == ("monochrome", 0)
    one = next(one for one in map(dialogue, range(400)) if shows_one(one))
    (sent,) = one.attachments
    (step,) = rules.ruled(lesson(replace(one, message="make it black and white"))).written.steps
    assert step.base == sent
    assert rules.ruled(lesson(replace(back, message="export it"))).written == Written()


def shows_one(one):
    return len(one.attachments) == 1 and one.items[one.attachments[0]].kind == "picture"


def test_a_plan_in_names_is_one_in_places():
    there = rules.context(next(one for one in SOME if len(one.items) > 4 and not one.attachments))
    head = rules.place_of(there.head)
    first, third = rules.name_of(0), rules.name_of(2)
    steps = (
        PlanStep(tool="blur", base=third, region={"words": "the sky"}),
        PlanStep(tool="match_colors", subjects=(first,)),
    )
    found = rules.written(Plan(steps=steps), there)
    assert [(s.base, s.subjects, s.where) for s in found.steps] == [(2, (), "the sky"), ("prev", (0,), None)]
    assert rules.written(Plan(steps=(PlanStep(tool="blur"),)), there).steps[0].base == head
    among = (Candidate(label="a", revision=first), Candidate(label="b", value="red"))
    assert rules.written(Plan(ask=Ask(question="?", candidates=among)), there).candidates == (0,)
    assert rules.written(Plan(chat="no"), there) == Written(chat="no")


# The whole


class Eyes:
    """Eyes to which every picture and sound is a noise of its own: what is counted then is quick to see."""

    def __init__(self, width):
        self.width, self.rng = width, np.random.default_rng(0)

    def pictures(self, some):
        return self.rng.normal(size=(len(some), self.width)).astype(np.float32)

    sounds = pictures


@pytest.fixture(scope="module")
def found():
    """The starter's planner, who sees noise."""
    folder = STARTER.parent / PLANNER
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bench, "eyes_of", lambda folder, weights: Eyes(dialogues.candidate(folder).heads.space))
        return bench.figures([folder], None, 1) | bench.cost(folder, None, 1)


def test_all_figures_are_there(found):
    from benchmarks.toybox import PARTS

    rare = {name for name in PARTS["planner"].keys if name.startswith(("sub", "base_at_1_", "state_single"))}
    assert {*PARTS["planner"].keys, "plan_s"} - rare <= found.keys()
    assert found["parse_rate"] == 1 and 0 <= found["parse_rate_free"] <= 1
    new = ("parse_rate", "tool_accuracy", "base_at_1", "state_4", "ask_auroc")
    assert {*(f"{name}_held_out" for name in new), "state_4_cosine", "state_4_blinded", "state_4_rules"} <= found.keys()
    assert {"plan_shaping", "tool_accuracy_shaping", "state_4_rules_held_out"} <= found.keys()
    for name in ("state_sounds_shuffled", "state_sounds_unheard", "base_at_1_cosine", "base_at_1_blinded"):
        assert 0 <= found[name] <= 1
    assert found["plan_s_ci"][0] <= found["plan_s"] <= found["plan_s_ci"][1]


def test_what_is_held_out_is_examined_too_and_what_shapes_is_heard(monkeypatch):
    """Which dialogues there are."""
    monkeypatch.setattr(bench, "MORE", 1)
    lessons = bench.Lessons(Eyes(3), 4)
    first = dialogues.EXAMINED
    assert [one.dialogue for one in lessons.new.all] == [dialogue(n) for n in range(first, first + 4)]
    assert [one.dialogue for one in lessons.held_out.all] == [dialogue(n, True) for n in range(first, first + 4)]
    assert lessons.held_out.longer[0].dialogue == four(first, True) != lessons.new.longer[0].dialogue
    for some in (lessons.new, lessons.held_out):
        assert len(some.asked) == 4 and all(one.dialogue.written.ask for one in some.asked)
    heard = {step.tool for one in lessons.sounding for step in one.dialogue.written.steps}
    assert "any2pix" in heard and len(lessons.shaped) == 4
    assert all(bench.sounds(one.dialogue) for one in lessons.sounding)


def test_planners_with_different_encoders_are_not_measured_together(tmp_path):
    folder = STARTER.parent / PLANNER
    says = json.loads((folder / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps(says | {"encoder": "0" * 64}))
    with pytest.raises(BadArguments, match="different encoders"):
        bench.figures([folder, tmp_path], None, 2)


def test_where_there_is_no_planner_it_is_missing_and_a_damaged_one_is_not(tmp_path):
    with pytest.raises(MissingWeights, match="no planner"):
        bench.eyes_of(tmp_path, None)
    (tmp_path / CARD).write_text("{")
    with pytest.raises(BadWeights):
        bench.eyes_of(tmp_path, None)


def test_a_reply_without_a_grammar_can_be_none(monkeypatch):
    """What a network says that knows nothing is no plan."""
    who = dialogues.candidate(STARTER.parent / PLANNER)
    one = Lesson(SOME[0], torch.randn(len(SOME[0].items), who.heads.space), torch.zeros(0, who.heads.space))
    thread = SimpleNamespace(feed=lambda *_, **__: SimpleNamespace(logits=np.zeros(who.llm.vocabulary, np.float32)))
    heard = bench.heard(who, one)
    monkeypatch.setattr(bench, "heard", lambda *_: replace(heard, thread=thread, logits=np.zeros(who.llm.vocabulary)))
    assert not bench.free(who, one)
