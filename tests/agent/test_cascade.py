"""Tools called by their names, wishes offered to the tool that follows instructions, and corrections of what it did."""

from dataclasses import replace

import pytest

from agent.plan import Context, Plan, PlanStep
from agent.planners.cascade import Cascade, called_by_name
from agent.planners.corrections import corrected
from agent.planners.rules import RulesPlanner
from sessions.values import IDENTITY, Asset, Region, Revision, Step


def revision(seq: int, step: Step | None, parents: tuple[str, ...] = ()) -> Revision:
    return Revision(f"r1:{seq:064x}", "s", parents, step, "i" * 64, None, IDENTITY, "edit", 64, 64, seq, "", None, "p")


def instructed(words: str, region: Region | None = None) -> Context:
    """A session whose head follows an instruction."""
    photo = revision(1, None)
    step = Step("instruct_pix2pix", "1", {"instruction": words, "steps": 7}, photo.id, (), region, 3)
    head = revision(2, step, (photo.id,))
    return Context("main", head.id, {"main": head.id}, (photo, head))


PHOTO = Context("main", revision(1, None).id, {"main": revision(1, None).id}, (revision(1, None),))


@pytest.mark.parametrize(
    ("said", "tool", "args"),
    [
        ("instruct_pix2pix: make it winter", "instruct_pix2pix", {"instruction": "make it winter"}),
        ("please use instruct pix2pix to turn the sky pink", "instruct_pix2pix", {"instruction": "turn the sky pink"}),
        ("Diffedit - a bowl of pears", "diffedit", {"query": "a bowl of pears"}),
        ("let diffedit, a red ball", "diffedit", {"query": "a red ball"}),
    ],
)
def test_a_tool_with_weights_is_called_by_its_name(said, tool, args):
    [step] = called_by_name(said).steps
    assert (step.tool, step.args) == (tool, args)


@pytest.mark.parametrize("said", ["make it winter", "diffeditor: a cat", "the diffedit: a cat", "crop: square", ""])
def test_what_only_looks_like_a_name_is_no_call(said):
    assert called_by_name(said) is None


def test_pictures_named_in_a_call_are_its_subjects():
    [step] = called_by_name("analogist from #1 to #4: a watercolour").steps
    assert step.subjects == ("#1", "#4") and "watercolour" in step.args["prompt"] and "#" not in step.args["prompt"]


def test_a_call_without_words_asks_for_them():
    plan = called_by_name("use diffedit")
    assert plan.ask.free and plan.ask.slot == "steps.0.args.query"
    assert plan.answered("a red ball").steps[0].args == {"query": "a red ball"}


def test_whatever_else_a_tool_must_know_is_asked_for():
    plan = called_by_name("blip_diffusion @rex on the beach")
    assert plan.steps[0].subjects == ("@rex",) and plan.steps[0].args == {"prompt": "the beach"}
    assert plan.ask.slot == "steps.0.args.category" and plan.answered("dog").steps[0].args["category"] == "dog"


def cascade(able: bool = True) -> Cascade:
    return Cascade(RulesPlanner(), lambda _: able)


def test_what_the_rules_refuse_is_offered_and_never_done_unasked():
    plan = cascade().plan("make it snow", PHOTO)
    assert plan.ask.slot == "steps.0.confirmed" and plan.steps[0].args == {"instruction": "make it snow"}
    assert plan.answered(True).steps[0].confirmed


def test_where_a_sound_came_with_it_the_tool_that_hears_is_offered():
    sound, other = Asset("a" * 64, "me", "audio", "audio/wav"), Asset("b" * 64, "me", "image", "image/png")
    plan = cascade().plan("make it fit this", replace(PHOTO, attachments=(sound, other)))
    assert "any2pix try “make it fit this” and the sound?" in plan.ask.question
    step = PlanStep(tool="any2pix", args={"prompt": "make it fit this"}, subjects=(sound.sha256,))
    assert plan.steps == (step,) and plan.ask.slot == "steps.0.confirmed"
    deaf = Cascade(RulesPlanner(), lambda tool: tool.name == "instruct_pix2pix")
    assert deaf.plan("make it fit this", replace(PHOTO, attachments=(sound,))).steps[0].tool == "instruct_pix2pix"
    pictured = cascade().plan("make it fit this", replace(PHOTO, attachments=(other,)))
    assert pictured.steps[0].tool == "instruct_pix2pix"
    assert cascade(able=False).plan("make it fit this", replace(PHOTO, attachments=(sound,))).ask is None


def test_without_weights_the_rules_have_the_last_word():
    for said in ("make it snow", "crop it square", "hello", "what is this?"):
        assert cascade(able=False).plan(said, PHOTO) == RulesPlanner().plan(said, PHOTO)


@pytest.mark.parametrize("said", ["crop it square", "hello", "undo", "what is this?", "thanks"])
def test_what_the_rules_answer_is_not_offered(said):
    assert cascade().plan(said, PHOTO) == RulesPlanner().plan(said, PHOTO)


@pytest.mark.parametrize(
    ("done", "said", "instruction"),
    [
        ("make the ball blue", "no, red", "make the ball red"),
        ("make the ball blue", "red instead", "make the ball red"),
        ("make the ball blue", "No wait, rather dark green", None),
        ("make the ball blue", "actually green", "make the ball green"),
        ("turn the disc into a star", "no, a ring", "turn the disc into a ring"),
        ("turn the disc into a star", "make it a square instead", "turn the disc into a square"),
        ("make it winter", "no, make it autumn", "make it autumn"),
        ("make it winter", "no", None),
        ("make it winter", "no, red", None),
        ("make it winter", "make it warmer", None),
    ],
)
def test_a_correction_replaces_what_it_corrects(done, said, instruction):
    context = instructed(done, Region(words="ball"))
    step = corrected(said, context)
    assert (step.args["instruction"] if step else None) == instruction
    if step:
        assert step.replaces == context.head and step.args["steps"] == 7 and step.region == {"words": "ball"}


def test_only_the_head_is_corrected_and_only_what_followed_an_instruction():
    assert corrected("no, red", PHOTO) is None
    assert isinstance(cascade().plan("no, red", PHOTO), Plan)
