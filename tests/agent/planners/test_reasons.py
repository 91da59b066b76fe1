"""Which picture a step starts from, and why: said at the step, by every planner, as far as it is known."""

from dataclasses import replace

import pytest

from agent import turns
from agent.grammar import Written, WrittenStep
from agent.items import Item
from agent.plan import PREV, Ask, Candidate, Context, Plan, PlanStep
from agent.planners.rules import RulesPlanner
from agent.planners.told import Told
from agent.pointer import Pick
from sessions.history import Graph
from sessions.values import Asset, Session
from tests.agent.rules.everyday import CONTEXTS


def named_in_full(context: Context) -> Context:
    """The history with ids as the store gives them."""
    made = tuple(replace(r, id=f"r1:{r.id}", parents=tuple(f"r1:{p}" for p in r.parents)) for r in context.revisions)
    return replace(context, head=f"r1:{context.head}", branches={"main": f"r1:{context.head}"}, revisions=made)


LINE = named_in_full(CONTEXTS["line"])
PHOTO = Asset("a" * 64, "me", "image", "image/png", 60, 40, name="boat.png")
ITEMS = {
    0: Item("r1:one", "x", "picture", "upload", number=1),
    1: Item("r1:two", "y", "picture", "result", "crop", number=2),
    2: Item("b" * 64, "z", "picture", "attached", words="boat.png"),
}


def checked(*steps: PlanStep, context: Context = LINE) -> list[str | None]:
    """What the steps of a checked plan say of where they start."""
    session = Session("s", "", "", 0, "", "")
    graph = Graph(session, context.revisions, context.branches, context.branch, context.words, None)
    return [step.why for step in turns.check(Plan(steps=steps), graph, context).steps]


def test_a_planner_with_a_pointer_says_what_decided_and_how_sure_it_was():
    written = Written(steps=(WrittenStep("crop", 1), WrittenStep("blur", "prev"), WrittenStep("match_colors", 0, (2,))))
    sure, shown, how = Pick(1, 0, 0.93, "by what it shows"), Pick(2, 1, 0.5, "by what it shows"), "by how it came about"
    plan = Told(ITEMS, "told", 0.0).plan(written, [sure, None, Pick(0, 1, 0.871, how), shown])
    assert [step.why for step in plan.steps] == [
        "starts from #2, by what it shows (93% sure)",
        None,
        "starts from #1, by how it came about (87% sure); uses boat.png, by what it shows (50% sure)",
    ]


def test_where_there_was_no_choice_there_is_no_reason():
    plan = Told(ITEMS, "told", 0.0).plan(Written(steps=(WrittenStep("crop", 0),)), [Pick(0, None, 1.0)])
    assert plan.steps[0].why is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("make #2 brighter", "starts from #2, as you said"),
        ("make the square crop warmer", "starts from #2, as you said “the square crop”"),
        ("make the original warmer, then blur it", "starts from #1, as you said “the original”"),
        ("make it brighter", None),
    ],
)
def test_the_rules_quote_what_was_said(said, why):
    first, *rest = RulesPlanner().plan(said, LINE).steps
    assert first.why == why and all(step.why is None for step in rest)


def test_whoever_says_nothing_of_it_at_least_has_the_number_told():
    ids = [revision.id for revision in LINE.revisions]
    blur = PlanStep(tool="blur")
    assert checked(blur, blur) == [None, None]
    assert checked(blur.model_copy(update={"base": ids[4]})) == [None]
    assert checked(blur.model_copy(update={"base": ids[1]}), blur) == ["starts from #2", None]
    assert checked(blur, blur.model_copy(update={"base": ids[4]})) == [None, "starts from #5"]
    assert checked(blur, blur.model_copy(update={"base": PREV})) == [None, None]
    sent = replace(LINE, attachments=(PHOTO,))
    assert checked(blur.model_copy(update={"base": PHOTO.sha256}), context=sent) == ["starts from boat.png"]


def test_a_bare_number_is_the_place_of_an_answer_and_never_a_picture():
    """The first answer shows #2, the second #3: 2 is the second."""
    ids = [revision.id for revision in LINE.revisions]
    ask = Ask(question="?", candidates=tuple(Candidate(label=f"#{n} crop", revision=ids[n - 1]) for n in (2, 3)))
    graph = Graph(Session("s", "", "", 0, "", ""), LINE.revisions, LINE.branches, "main", LINE.words, None)
    chosen = {said: turns.answer(said, ask, graph) for said in ("2", "#2", "first", "#3 crop")}
    assert {said: one and one.label for said, one in chosen.items()} == {
        "2": "#3 crop", "#2": "#2 crop", "first": "#2 crop", "#3 crop": "#3 crop",
    }  # fmt: skip
