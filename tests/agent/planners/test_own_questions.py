"""A second planner's own questions, behind the rules: their answers are its to read, however much they sound like a
command, and all that was said and sent before comes with them."""

import pytest

from agent.assistant import Assistant
from agent.events import Asked, Committed
from agent.grammar import Written, WrittenStep
from agent.items import Item
from agent.plan import Ask, Candidate, Context, Plan, PlanStep
from agent.planners.cascade import Cascade
from agent.planners.rules import RulesPlanner
from agent.planners.told import Told, whole
from agent.pointer import Pick
from sessions import history
from sessions.store import Store
from tests.agent.conftest import end


class Asking:
    """A planner that does what it was told beforehand, and keeps what it was asked."""

    name = "asking@1"

    def __init__(self, *plans: Plan) -> None:
        self.plans = iter(plans)
        self.heard: list[tuple[str, Context]] = []

    def plan(self, text: str, context: Context) -> Plan:
        self.heard.append((whole(text, context), context))
        return next(self.plans)


@pytest.fixture
def edited(store: Store, assistant: Assistant, session: str) -> str:
    """A session of three pictures: the cat, darker, blurred."""
    for step in ('{"tool": "adjust", "args": {"exposure": -0.3}}', '{"tool": "blur", "args": {"amount": 0.2}}'):
        list(assistant.turn(session, f'{{"steps": [{step}]}}'))
    return session


def which(store: Store, session: str) -> Plan:
    revisions = history.graph(store, session).revisions
    among = tuple(Candidate(label=f"#{r.seq} {r.tool or 'photo'}", revision=r.id) for r in revisions)
    return Plan(ask=Ask(question="Which picture do you mean?", candidates=among), planner=Asking.name)


SEPIA = Plan(steps=(PlanStep(tool="monochrome", args={"tone": "sepia"}),))
WISH = "make the one with the thing dreamlike"


@pytest.mark.parametrize("answer", ["#3 blur", "#3", "the last one", "3"])
def test_a_choice_is_no_command(store, edited, answer):
    second = Asking(which(store, edited), SEPIA)
    assistant = Assistant(store, Cascade(RulesPlanner(), lambda tool: False, second))
    asked = list(assistant.turn(edited, WISH))
    assert any(isinstance(event, Asked) for event in asked) and end(asked).state == "waiting"
    events = list(assistant.turn(edited, answer))
    assert [event.revision.tool for event in events if isinstance(event, Committed)] == ["monochrome"]
    text, context = second.heard[1]
    assert text == f"{WISH} Which picture do you mean? #3 blur" and context.meant.label == "#3 blur"


def test_another_wish_is_one(store, edited):
    second = Asking(which(store, edited))
    assistant = Assistant(store, Cascade(RulesPlanner(), lambda tool: False, second))
    list(assistant.turn(edited, WISH))
    events = list(assistant.turn(edited, "crop it square"))
    assert [event.revision.tool for event in events if isinstance(event, Committed)] == ["crop"]
    assert len(second.heard) == 1


def test_free_words_go_to_who_asked(store, edited):
    second = Asking(Plan(ask=Ask(question="How strong?", free=True)), SEPIA)
    assistant = Assistant(store, Cascade(RulesPlanner(), lambda tool: False, second))
    list(assistant.turn(edited, WISH))
    events = list(assistant.turn(edited, "ever so wistfully"))
    assert [event.revision.tool for event in events if isinstance(event, Committed)] == ["monochrome"]
    assert second.heard[1][0] == f"{WISH} How strong? ever so wistfully"


def test_after_two_questions_the_wish_and_what_came_with_it_are_still_there(store, edited, cup):
    questions = [Plan(ask=Ask(question=question, free=True)) for question in ("How strong?", "Which half?")]
    second = Asking(*questions, SEPIA)
    assistant = Assistant(store, Cascade(RulesPlanner(), lambda tool: False, second))
    list(assistant.turn(edited, WISH, files=[("cup.png", cup)]))
    list(assistant.turn(edited, "somewhat gloomily"))
    list(assistant.turn(edited, "leftish"))
    text, context = second.heard[2]
    assert text == f"{WISH} How strong? somewhat gloomily Which half? leftish"
    assert [asset.name for asset in context.attachments] == ["cup.png"]


def item(number: int) -> Item:
    return Item(f"r{number}", f"p{number}", "picture", "result", "blur", "", None, number)


def test_every_doubt_is_asked_one_after_the_other():
    told = Told({0: item(1), 1: item(2), 2: item(3)}, "told@1", sure=0.5)
    written = Written(steps=(WrittenStep("blend", 0, (1,), None, {}), WrittenStep("blur", "prev", (), None, {})))
    plan = told.plan(written, [Pick(0, 2, 0.1), Pick(1, 2, 0.05), None])
    assert (plan.ask.slot, [ask.slot for ask in plan.doubts]) == ("steps.0.base", ["steps.0.subjects.0"])
    assert plan.confidence == 0.05
    after = plan.answered("r3")
    assert (after.ask.slot, after.doubts, after.steps[0].base) == ("steps.0.subjects.0", (), "r3")
    done = after.answered("r3")
    assert done.ask is None and done.steps[0].subjects == ("r3",)


def test_one_that_is_sure_asks_nothing():
    told = Told({0: item(1), 1: item(2)}, "told@1", sure=0.5)
    written = Written(steps=(WrittenStep("blur", 0, (), None, {}),))
    assert told.plan(written, [Pick(0, 1, 0.6)]).ask is None
    assert told.plan(written, [Pick(0, None, 1.0)]).ask is None


def test_a_turn_waits_for_each_of_its_doubts(store, edited):
    first, _, third = history.graph(store, edited).revisions
    among = tuple(Candidate(label=f"#{r.seq}", revision=r.id) for r in (first, third))
    steps = tuple(PlanStep(tool="blur", args={"amount": 0.1}, base=third.id) for _ in range(2))
    doubts = [Ask(question=f"Which {n}?", candidates=among, slot=f"steps.{n}.base") for n in range(2)]
    assistant = Assistant(store, Asking(Plan(steps=steps, ask=doubts[0], doubts=doubts[1:])))
    assert end(list(assistant.turn(edited, WISH))).reply.startswith("Which 0?")
    assert end(list(assistant.turn(edited, "#1"))).reply.startswith("Which 1?")
    events = list(assistant.turn(edited, "#3"))
    assert [event.revision.parents for event in events if isinstance(event, Committed)] == [(first.id,), (third.id,)]
