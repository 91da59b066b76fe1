"""The public plan's schema: committed as it is, fit for structured output, and each step's arguments its own tool's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from llguidance import LLMatcher, LLTokenizer
from pydantic import BaseModel, Field

from agent.plan import MAX_STEPS, Plan
from agent.plan_schema import plan_schema
from agent.turns import check_call
from sessions.values import Json
from tools.base import Edit, EditContext, EditResult, Progress, Tool, ToolArgs, tool
from tools.registry import registered

COMMITTED = Path(__file__).parents[2] / "docs" / "plan.schema.json"

FITTING: list[Json] = [
    {"steps": [{"tool": "flip"}]},
    {"steps": [{"tool": "blur", "args": {"amount": 0.5}, "base": "#3", "region": {"words": "the sky"}}]},
    {"steps": [{"tool": "crop", "args": {"box": [0, 0, 0.5, 1]}}, {"tool": "flip", "base": "prev"}]},
    {"steps": [{"tool": "analogy", "base": "#1", "subjects": ["#2", "#3"]}]},
    {"steps": [{"tool": "remove", "region": {"box": [0, 0, 0.5, 0.5]}}]},
    {"steps": [{"tool": "text", "args": {"text": "title", "at": [0.5, 0.5]}}]},
    {"steps": [{"tool": "flip"}] * MAX_STEPS},
    {"command": {"name": "undo"}},
    {"ask": {"question": "Which?", "candidates": [{"label": "the first", "revision": "#1"}]}},
    {"chat": "Hello."},
]
UNFITTING: list[Json] = [
    {"steps": [{"tool": "delete"}]},
    {"steps": [{"tool": "blur", "args": {"exposure": 0.5}}]},
    {"steps": [{"tool": "blur", "args": {"amount": 1.5}}]},
    {"steps": [{"tool": "blur", "subjects": ["#1"]}]},
    {"steps": [{"tool": "analogy", "subjects": ["#1"]}]},
    {"steps": [{"tool": "analogy"}]},
    {"steps": [{"tool": "remove"}]},
    {"steps": [{"tool": "flip", "region": {"words": "the sky"}}]},
    {"steps": [{"tool": "blur", "region": {"mask": "0" * 64}}]},
    {"steps": [{"tool": "flip", "seed": 3}]},
    {"steps": [{"tool": "diffedit", "base": "#1"}]},
    {"steps": [{"tool": "flip"}] * (MAX_STEPS + 1)},
    {"planner": "me"},
]


def fits(schema: Json, value: Json) -> bool:
    """By an engine for structured output, which knows no other tools than the schema says."""
    matcher = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_json_schema(schema), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    text = json.dumps(value).encode()
    return bool(matcher.try_consume_tokens(list(text)) == len(text) and matcher.is_accepting())


def test_is_committed_as_it_is() -> None:
    """Otherwise: python -m agent.plan_schema > docs/plan.schema.json"""
    assert json.loads(COMMITTED.read_text("utf-8")) == plan_schema(registered().values())


@pytest.mark.parametrize("value", FITTING)
def test_a_plan_fits(value: Json) -> None:
    assert fits(plan_schema(registered().values()), value)
    for step in Plan.model_validate(value).steps:
        check_call(step)


@pytest.mark.parametrize("value", UNFITTING)
def test_what_is_none_does_not(value: Json) -> None:
    assert not fits(plan_schema(registered().values()), value)


def test_every_tool_has_its_own_kind_of_step() -> None:
    kinds = plan_schema(registered().values())["properties"]["steps"]["items"]["anyOf"]
    assert [kind["properties"]["tool"]["const"] for kind in kinds] == list(registered())
    for kind, known in zip(kinds, registered().values(), strict=True):
        assert list(kind["properties"]["args"].get("properties", {})) == list(known.said)


class Corner(BaseModel):
    """Somewhere."""

    x: float = Field(ge=0, le=1)


class Title(ToolArgs):
    """Arguments that define something, and are called as pydantic calls what it adds."""

    title: str = ""
    at: Corner | None = None


def named(name: str) -> Tool:
    @tool(name, args=Title)
    def run(ctx: EditContext, args: ToolArgs) -> Edit:
        """A tool of another package."""
        yield Progress(1.0)
        return EditResult(ctx.image)

    return run


def test_what_tools_define_is_kept_apart() -> None:
    schema = plan_schema([named("one"), named("two")])
    assert {"one.Corner", "two.Corner"} <= set(schema["$defs"])
    assert fits(schema, {"steps": [{"tool": "two", "args": {"title": "x", "at": {"x": 0.5}}}]})
    assert not fits(schema, {"steps": [{"tool": "two", "args": {"at": {"x": 1.5}}}]})
