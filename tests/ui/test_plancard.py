"""The plan as a card: what it says, and how the form's answer becomes a plan again."""

import pytest

from agent.plan import PREV, Command, Plan, PlanStep
from ui import plancard, terminal

PLAN = Plan(
    steps=(
        PlanStep(tool="crop", args={"aspect": "1:1"}, base="r1:start"),
        PlanStep(tool="adjust", args={"exposure": 0.3, "contrast": 0.1}, base=PREV),
        PlanStep(tool="text", args={"text": "<b>Hi & bye</b>"}, base=PREV),
    )
)


def test_words_of_users_are_text_and_not_markup():
    shown = plancard.rows(PLAN, ())
    assert "&lt;b&gt;Hi &amp; bye&lt;/b&gt;" in shown and "<b>" not in shown


def test_a_row_says_whether_its_step_is_done_at_work_or_to_come():
    shown = plancard.rows(PLAN, (), running=(1, 0.4), state="running")
    assert shown.count("class='next'") == 2 and "width:40%" in shown
    assert plancard.rows(PLAN, ()).count("not done") == 3


@pytest.mark.parametrize(
    ("state", "how"), [("done", "done"), ("failed", "not"), ("cancelled", "not"), ("running", "next")]
)
def test_what_follows_the_steps_is_done_where_all_of_the_turn_is(state, how):
    plan = PLAN.model_copy(update={"then": Command(name="export")})
    *_, last = plancard.rows(plan, (), state=state).split("<li class=")
    assert "export" in last and last.startswith(f"'{how}'")


def test_a_command_alone_has_no_card():
    assert plancard.rows(Plan(command=Command(name="undo")), ()) == ""


def test_the_form_offers_what_the_plan_names_with_the_bounds_of_the_tool():
    fields = {field["name"]: field for field in plancard._form(PLAN.steps[1])["fields"]}
    assert set(fields) == {"exposure", "contrast"}
    assert fields["exposure"] == {
        "name": "exposure", "kind": "number", "value": 0.3, "low": -1, "high": 1, "whole": False
    }  # fmt: skip


def test_amounts_order_and_dropped_steps_come_back():
    decided = [{"step": 2, "args": {"text": "Hi"}}, {"step": 1, "args": {"exposure": 0.5}}]
    plan = plancard.changed(PLAN, decided)
    assert plan is not None
    assert [step.tool for step in plan.steps] == ["text", "adjust"]
    assert plan.steps[1].args == {"exposure": 0.5, "contrast": 0.1}
    assert [step.base for step in plan.steps] == ["r1:start", PREV]


def test_arguments_that_the_plan_does_not_name_cannot_be_added():
    plan = plancard.changed(PLAN, [{"step": 0, "args": {"preset": "4:3", "aspect": "3:2"}}])
    assert plan is not None and plan.steps[0].args == {"aspect": "3:2"}


ELSEWHERE = PLAN.model_copy(
    update={"steps": (PLAN.steps[0].model_copy(update={"why": "starts from #2, <as> you said"}), *PLAN.steps[1:])}
)


def test_a_step_says_where_it_starts_with_a_small_picture_of_it():
    shown = plancard.rows(ELSEWHERE, (), pictures={"r1:start": "/pictures/a.webp"})
    assert shown.count("<img src='/pictures/a.webp'") == 1 and "starts from #2, &lt;as&gt; you said" in shown
    assert "<img" not in plancard.rows(PLAN, (), pictures={"r1:start": "/pictures/a.webp"})
    assert plancard._form(ELSEWHERE.steps[0], {"r1:start": "/a"})["pictures"] == ["/a"]


def test_another_step_that_is_first_now_says_nothing_of_where_the_first_started():
    plan = plancard.changed(ELSEWHERE, [{"step": 1, "args": {}}, {"step": 0, "args": {}}])
    assert plan is not None and [(step.base, step.why) for step in plan.steps] == [("r1:start", None), (PREV, None)]
    kept = plancard.changed(ELSEWHERE, [{"step": 0, "args": {}}])
    assert kept is not None and kept.steps[0].why == "starts from #2, <as> you said"


def test_on_the_command_line_the_reason_stands_under_its_step():
    assert terminal.plan_line(ELSEWHERE).splitlines()[:3] == [
        "plan   1 crop 1:1",
        "         starts from #2, <as> you said",
        "       2 adjust exposure +0.3 contrast +0.1",
    ]
    assert len(terminal.plan_line(PLAN).splitlines()) == 1


def test_what_is_no_answer_of_the_form_is_none():
    for nonsense in (
        None,
        [],
        {},
        "run",
        [3],
        [{"step": 7}],
        [{"step": True, "args": {}}],
        [{"step": 0, "args": 1}],
        [{"step": "0"}],
        [{}],
    ):
        assert plancard.changed(PLAN, nonsense) is None, nonsense


def test_steps_that_start_elsewhere_keep_their_place():
    elsewhere = PLAN.model_copy(
        update={"steps": (*PLAN.steps[:2], PLAN.steps[2].model_copy(update={"base": "r1:other"}))}
    )
    plan = plancard.changed(elsewhere, [{"step": 0, "args": {}}, {"step": 2, "args": {}}])
    assert plan is not None and [step.base for step in plan.steps] == ["r1:start", "r1:other"]
