"""The question where the rules read which picture is meant, and another planner takes a different one."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.plan import PREV, Ask, Candidate, Command, Context, Plan, PlanStep
from agent.planners.agreeing import disagreement
from agent.planners.cascade import Cascade
from agent.planners.rules import RulesPlanner, naming
from sessions.values import Asset
from tests.agent.rules.everyday import CONTEXTS, messages

LINE, BRANCHES = CONTEXTS["line"], CONTEXTS["branches"]
PHOTO = Asset("a" * 64, "me", "image", "image/png", 60, 40, name="boat.png")
SECOND = Asset("b" * 64, "me", "image", "image/png", 60, 40, name="dog.png")
CORPUS = Path(__file__).parents[1] / "rules"


def starting(*bases: str | int | None, subjects: tuple[int | str, ...] = (), context: Context = LINE) -> Plan:
    """A plan of one instruction a step; numbers are revisions."""
    steps = (PlanStep(tool="blur", base=_id(base, context)) for base in bases)
    first, *rest = steps
    named = tuple(str(_id(one, context)) for one in subjects)
    return Plan(steps=(first.model_copy(update={"subjects": named}), *rest), planner="second")


def _id(name: str | int | None, context: Context) -> str | None:
    return context.revisions[name - 1].id if isinstance(name, int) else name


def asked(text: str, plan: Plan, context: Context = LINE) -> tuple[str | None, list[int | str]] | None:
    """The slot of the question, and its candidates by number or asset."""
    ask = disagreement(text, plan, context)
    numbers = {revision.id: revision.seq for revision in context.revisions}
    return ask and (ask.slot, [numbers.get(one.revision or "", one.value) for one in ask.candidates])


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("make #2 feel like a daydream", 2),
        ("use picture #2 and make it feel like a daydream", 2),
        ("mach #2 verträumter", 2),
        ("the second photo should feel like a daydream", 2),
        ("starting from the third version, give it the air of a fairground", 3),
        ("make the original feel like a daydream", 1),
        ("could the uploaded version feel like a daydream", 1),
        ("make the one before the crop feel like a daydream", 1),
        ("go back to the version before the black and white and make it feel like a daydream", 3),
        ("make the square crop feel like a daydream", 2),
        ("make the black and white one feel like a daydream", 4),
        ("a dreamy version of #3, please", 3),
    ],
)
def test_a_picture_that_is_named_and_not_used_is_asked_about(said, number):
    assert asked(said, starting(5)) == ("steps.0.base", [number, 5])
    assert asked(said, starting(None)) == ("steps.0.base", [number, 5])
    assert asked(said, starting(number)) is None
    assert asked(said, starting(number, PREV)) is None


def test_branches_by_name_and_by_mere_name():
    for said in ("make the sepia branch feel like a daydream", "switch to sepia and make it feel like a daydream"):
        assert asked(said, starting(4, context=BRANCHES), BRANCHES) == ("steps.0.base", [6, 4])
        assert asked(said, starting(6, context=BRANCHES), BRANCHES) is None


def test_photos_that_came_with_the_message():
    sent = replace(LINE, attachments=(PHOTO,))
    for said in ("make the attached photo feel like a daydream", "a fairground air for the picture i sent"):
        assert asked(said, starting(5), sent) == ("steps.0.base", [PHOTO.sha256, 5])
        assert asked(said, starting(PHOTO.sha256), sent) is None
        assert asked(said, starting(None), sent) is None
    assert asked("make #2 feel like a daydream", starting(None), sent) == ("steps.0.base", [2, PHOTO.sha256])
    two = replace(CONTEXTS["fresh"], attachments=(PHOTO, SECOND))
    assert asked("make the second photo dreamy", starting(PHOTO.sha256), two)[1] == [SECOND.sha256, PHOTO.sha256]


def test_a_picture_that_is_worked_with_is_used():
    said = "put the crate from #3 on #2 as in a daydream"
    assert asked(said, starting(2, subjects=(3,))) is None
    assert asked(said, starting(5, subjects=(3,))) == ("steps.0.base", [2, 5])
    assert asked("make it a daydream using the mood of #2", starting(5, subjects=(3,))) == (
        "steps.0.subjects.0", [2, 3],
    )  # fmt: skip
    assert asked("make it a daydream using the mood of #2", starting(5, subjects=(2,))) is None


def test_the_second_of_two_steps():
    assert asked("dream up #2, then #4", starting(2, 3)) == ("steps.1.base", [4, 3])
    assert asked("dream up #2, then #4", starting(2, 4)) is None
    assert asked("make #2 a daydream and add some magic", starting(5, PREV)) == ("steps.0.base", [2, 5])


@pytest.mark.parametrize(
    "said",
    [
        "make it feel like a daydream",
        "leave the original as it is and make it feel like a daydream",
        "dreamier than #2",
        "not #2, this should feel like a daydream",
        "bring out the original colours like in a daydream",
        "make the red one feel like a daydream",
        'write "#2 is best" like in a daydream',
        "turn #2 and #4 into one daydream",
        "in the style of #2",
    ],
)
def test_where_the_name_is_unsure_or_only_spared_nothing_is_asked(said):
    assert asked(said, starting(5)) is None


def test_the_last_picture_may_be_the_newest_or_the_one_where_one_stands():
    back = replace(LINE, head=LINE.revisions[2].id, branches={"main": LINE.revisions[2].id})
    for base in (3, 5):
        assert asked("make the last version feel like a daydream", starting(base), back) is None


def test_two_that_show_the_same_are_not_to_be_told_apart():
    same = replace(LINE.revisions[4], image=LINE.revisions[1].image)
    context = replace(LINE, revisions=(*LINE.revisions[:4], same))
    assert asked("make #2 feel like a daydream", starting(5), context) is None


def test_a_step_done_anew_starts_before_the_one_that_is_named():
    """ "In the sepia branch, make the border black": the border is replaced."""
    plan = Plan(steps=(PlanStep(tool="border", base=BRANCHES.revisions[4].id),))
    assert disagreement("the sepia branch needs a border like in a daydream", plan, BRANCHES) is None


def test_a_command_leads_to_the_picture():
    there = Plan(command=Command(name="switch", target="#2"), steps=(PlanStep(tool="blur"),))
    assert asked("go to #2 and make it feel like a daydream", there) is None
    undone = Plan(command=Command(name="undo"), steps=(PlanStep(tool="blur"),))
    assert asked("go to #2 and make it feel like a daydream", undone) == ("steps.0.base", [2, 4])


def test_what_is_asked_already_or_only_said_stays():
    ask = Ask(question="Which crate?")
    for plan in (starting(5).model_copy(update={"ask": ask}), Plan(chat="No."), Plan(command=Command(name="undo"))):
        assert disagreement("make #2 feel like a daydream", plan, LINE) is None


def test_a_doubt_about_other_pictures_gives_way_to_the_one_that_is_named():
    def doubt(*numbers: int) -> Plan:
        among = tuple(Candidate(label=f"#{one}", revision=LINE.revisions[one - 1].id) for one in numbers)
        ask = Ask(question="Which one do you mean?", candidates=among, slot="steps.0.base")
        return starting(5).model_copy(update={"ask": ask})

    assert asked("make #2 feel like a daydream", doubt(5, 4)) == ("steps.0.base", [2, 5])
    assert asked("make #2 feel like a daydream", doubt(5, 2)) is None


@pytest.mark.parametrize("name", ["everyday_open.jsonl", "tuning/q.jsonl"])
def test_the_rules_never_disagree_with_themselves(name):
    rules = RulesPlanner()
    for message in messages(CORPUS / name):
        context = CONTEXTS[message["context"]]
        plan = rules.plan(message["message"], context)
        assert disagreement(message["message"], plan, context) is None, message["message"]


# In the cascade


@dataclass
class Second:
    """A planner that starts from where it is told to, whatever is said."""

    made: Plan
    name: str = "second"

    def plan(self, text: str, context: Context) -> Plan:
        return self.made


def cascade(made: Plan) -> Cascade:
    return Cascade(RulesPlanner(), lambda _: False, Second(made))


def test_the_question_waits_with_the_plan_and_its_answer_fills_it():
    plan = cascade(starting(5)).plan("make #2 feel like a daydream", LINE)
    assert plan.planner == "second" and plan.ask is not None and plan.ask.question == "Which one do you mean?"
    assert [one.label for one in plan.ask.candidates] == ["#2 crop 1:1", "#5 vignette 0.4"]
    assert plan.answered(plan.ask.candidates[0].revision).steps[0].base == LINE.revisions[1].id


def test_what_was_said_of_another_picture_is_forgotten_with_the_answer():
    told = {"why": "starts from #5, by what it shows", "expected": {"x": 1}, "replaces": LINE.revisions[4].id}
    made = starting(5, PREV)
    made = made.model_copy(update={"steps": (made.steps[0].model_copy(update=told), made.steps[1])})
    first, _ = cascade(made).plan("make #2 a daydream", LINE).answered(LINE.revisions[1].id).steps
    assert (first.why, first.expected, first.replaces) == (None, None, None)


@pytest.mark.parametrize("said", ["make #9 feel like a daydream", "mach #9 verträumter", "make #9 brighter"])
def test_a_number_that_is_not_there_is_said_whatever_the_second_makes_of_it(said):
    plan = cascade(starting(5)).plan(said, LINE)
    assert not plan.steps and plan.ask is None and "There is no #9 in this session" in plan.chat
    assert naming.absent(said, LINE) == "#9"


def test_numbers_in_quotations_are_no_pictures():
    assert naming.absent('write "we are #9"', LINE) is None
