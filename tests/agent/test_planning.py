"""Messages while a question waits: which of them answer it, which question an answer is for, and what came with it."""

import pytest

from agent.assistant import Assistant
from agent.events import Asked, Committed
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from sessions import history, turns
from sessions.errors import ChatModelError, MissingWeights, TooLarge
from tests.agent.conftest import end

ASK = {
    "question": "Which shape?",
    "candidates": [{"label": "square", "value": "1:1"}, {"label": "wide", "value": "16:9"}],
    "slot": "steps.0.args.aspect",
}
BLUR = {"tool": "blur", "args": {}, "region": {"words": "top left"}}
BRIGHT = {"tool": "adjust", "args": {"exposure": 0.2}, "region": {"words": "bottom right"}}


def made(events: list) -> list:
    return [event.revision for event in events if isinstance(event, Committed)]


def test_an_answer_sent_again_does_not_answer_the_next_question(say, assistant, store, session, unsure):
    say(BLUR, BRIGHT, request_id="q")
    first = list(assistant.turn(session, "yes", request_id="a"))
    [asked] = [event for event in first if isinstance(event, Asked)]
    assert asked.ask.slot == "steps.1.confirmed"
    again = list(assistant.turn(session, "yes", request_id="a"))
    assert made(again) == []
    assert [event.ask for event in again if isinstance(event, Asked)] == [asked.ask]
    assert end(again).revisions == end(first).revisions
    assert turns.get(store, session, "q").plan["steps"][1]["confirmed"] is False
    assert [r.tool for r in made(list(assistant.turn(session, "yes", request_id="b")))] == ["adjust"]


def test_an_answer_cut_short_before_it_was_filled_in_is_filled_in_when_sent_again(say, assistant, session, unsure):
    say(BLUR)
    assistant.propose(session, "yes", request_id="a")
    assert [r.tool for r in made(list(assistant.turn(session, "yes", request_id="a")))] == ["blur"]


def test_a_click_is_no_answer_whatever_its_text_says(say, store, session):
    say({"tool": "crop", "args": {}}, ask=ASK, request_id="q")
    clicked = Assistant(store, Given(Plan(steps=(PlanStep(tool="blur", args={"amount": 0.2}),))))
    assert [r.tool for r in made(list(clicked.turn(session, "1")))] == ["blur"]
    assert turns.get(store, session, "q").state == "cancelled"


def test_a_click_is_not_taken_for_free_words(say, store, session):
    free = {"question": "What shall it say?", "slot": "steps.0.args.text", "free": True}
    say({"tool": "text", "args": {}}, ask=free)
    events = list(Assistant(store, Given(Plan(chat="Nothing to do here."))).turn(session, "look at this"))
    assert end(events).reply == "Nothing to do here."
    assert len(history.graph(store, session).revisions) == 1


def test_photos_are_still_there_for_the_answer_after_a_long_talk(say, assistant, store, session, cat, cup):
    say({"tool": "flip", "args": {"axis": "vertical"}}, files=[("cup.png", cup), ("dog.png", cat)])
    for number in range(60):
        turns.say(store, session, "main", f"{number}")
    events = list(assistant.turn(session, "cup.png"))
    assert (end(events).state, end(events).branch) == ("done", "cup")


@pytest.mark.parametrize(
    "why", [MissingWeights("No weights.", "pull"), TooLarge("Too long."), ChatModelError("No key.")]
)
def test_what_keeps_a_planner_from_its_work_is_a_sentence(store, session, why):
    class Kept:
        name = "kept@1"

        def plan(self, text, context):
            raise why

    events = list(Assistant(store, Kept()).turn(session, "crop it"))
    assert (end(events).state, end(events).reply) == ("refused", str(why))


def test_a_question_without_a_place_in_the_plan_is_answered_by_a_new_plan(store, session, say):
    say(ask={"question": "Which?", "candidates": [{"label": "left"}, {"label": "right"}]})
    seen = []

    class Noting:
        name = "noting@1"

        def plan(self, text, context):
            seen.append((text, context.asked[1].question))
            return Plan(steps=(PlanStep(tool="blur", args={"amount": 0.2}),))

    assert [r.tool for r in made(list(Assistant(store, Noting()).turn(session, "left")))] == ["blur"]
    assert seen == [("left", "Which?")]
