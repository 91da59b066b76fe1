"""Messages that need a second picture: which tool, with which words, and above all with which pictures.

`two_pictures.jsonl` has a message a line, how many photos are attached to it, and its plan. "#2" is a revision,
"photo 1" the first attachment.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.plan import Context, Plan
from agent.planners.rules import RulesPlanner
from sessions.values import Asset, Json, Step
from tests.agent.rules.everyday import CONTEXTS, History, kind_of, messages

MESSAGES = list(messages(Path(__file__).with_name("two_pictures.jsonl")))


def inserted() -> Context:
    """A cup into which the cat of another photo has been put."""
    history = History()
    history.add(None, "cup.jpg")
    history.add(None, "cat.jpg")
    history.add(1, "insert_subject", {"subject": "the cat", "at": "left"}, "put the cat on the left")
    made = history.revisions[-1]
    step = replace(made.step, subjects=(history.revisions[1].id,))
    history.revisions[-1] = replace(made, step=Step.from_json(step.to_json()))
    return history.context("main", {"main": 3, "cat": 2})


def context_of(message: Json) -> Context:
    context = inserted() if message["context"] == "inserted" else CONTEXTS[message["context"]]
    photos = [
        Asset(f"asset {n}", "me", "image", "image/png", 60, 40, name=f"photo {n}")
        for n in range(1, message["attachments"] + 1)
    ]
    return replace(context, attachments=tuple(photos))


def names(context: Context) -> dict[str | None, str]:
    """Ids as the expectations name them."""
    return {r.id: f"#{r.seq}" for r in context.revisions} | {a.sha256: a.name for a in context.attachments}


def told(plan: Plan, named: dict[str | None, str]) -> list[Json]:
    return [
        {
            "tool": step.tool,
            "args": step.args,
            "subjects": [named[subject] for subject in step.subjects],
            "region": step.region["words"] if step.region else None,
        }
        for step in plan.steps
    ]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["id"])
def test_the_plan_is_the_one_that_is_meant(message):
    context = context_of(message)
    plan, expect, named = RulesPlanner().plan(message["message"], context), message["expect"], names(context)
    kinds = expect["kind"] if isinstance(expect["kind"], list) else [expect["kind"]]
    assert kind_of(plan) in kinds
    if "steps" in expect:
        assert told(plan, named) == expect["steps"]
        assert named.get(plan.steps[0].base) == expect.get("base")
    if "candidates" in expect:
        assert [named[c.revision or c.value] for c in plan.ask.candidates] == expect["candidates"]


def test_there_are_enough_of_them():
    assert len(MESSAGES) >= 60
    assert len({message["message"] + str(message["attachments"]) for message in MESSAGES}) >= 60
