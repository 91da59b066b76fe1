"""The public plan as one JSON Schema over the tools that there are, for whoever must write one: chat models, programs.

Derived from `agent.plan` and from each tool's own schema, so that a step's arguments are those of its tool. What only
we or a person may say (planner, confidence, seeds, that an unsure place is right) is left out. Checks nothing: a plan
that fits the schema is checked as any other.

    python -m agent.plan_schema > docs/plan.schema.json
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from agent.plan import MAX_STEPS, Plan
from sessions.values import Json
from tools.base import Tool
from tools.registry import registered

SAID = ("command", "steps", "then", "ask", "chat")
OURS = {"Ask": ("mask", "about"), "Candidate": ("shown",)}
"""What of a question a face finds out for itself."""


def plan_schema(tools: Iterable[Tool]) -> Json:
    """JSON Schema of `{"command", "steps", "then", "ask", "chat"}`; each tool has its own kind of step."""
    whole = Plan.model_json_schema()
    steps = [_step(tool) for tool in tools]
    properties = {name: value for name, value in whole["properties"].items() if name in SAID}
    properties["steps"] = {"type": "array", "maxItems": MAX_STEPS, "items": {"anyOf": [branch for branch, _ in steps]}}
    shared = {name: _without(value, OURS.get(name, ())) for name, value in whole["$defs"].items() if name != "PlanStep"}
    tools_own = {name: value for _, found in steps for name, value in found.items()}
    return {
        "title": "plan",
        "description": "What is to be done with the photos: steps, or a question, or a sentence.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": _untitled(shared) | {"Picture": PICTURE, "Place": place()} | tools_own,
    }


def _step(tool: Tool) -> tuple[Json, Json]:
    """The step that calls a tool, and what its arguments' schema refers to."""
    low, high = tool.subjects
    args = _named(_untitled(tool.schema()), tool.name)
    definitions, picture = args.pop("$defs", {}), {"$ref": "#/$defs/Picture"}
    name = {"type": "string", "const": tool.name, "description": tool.summary}
    properties = {"tool": name, "args": args, "base": picture}
    required = ["tool", *(["args"] if args.get("required") else [])]
    if high:
        properties["subjects"] = {"type": "array", "items": picture, "minItems": low, "maxItems": high}
        required += ["subjects"] if low else []
    if tool.region != "none":
        properties["region"] = {"$ref": "#/$defs/Place"}
        required += ["region"] if tool.region == "required" else []
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }, definitions


PICTURE = {"type": "string", "description": 'A revision, by its id or as "#7"; an attached file, by its id; or "prev".'}


def place() -> Json:
    """Words, or a box; a brush is a person's."""
    corner = {"type": "number", "minimum": 0, "maximum": 1}
    box = {"type": "array", "items": corner, "minItems": 4, "maxItems": 4, "description": "left, top, right, bottom"}
    return {"anyOf": [_only("words", {"type": "string"}), _only("box", box)]}


def _only(name: str, kind: Json) -> Json:
    return {"type": "object", "properties": {name: kind}, "required": [name], "additionalProperties": False}


def _without(schema: Json, names: Iterable[str]) -> Json:
    kept = {name: value for name, value in schema["properties"].items() if name not in names}
    return schema | {"properties": kept}


def _named(value: Any, tool: str) -> Any:
    """The schema with the tool's name before all that it defines, since two tools may use one name."""
    if isinstance(value, list):
        return [_named(one, tool) for one in value]
    if not isinstance(value, dict):
        return value
    done = {name: _named(one, tool) for name, one in value.items()}
    if "$defs" in done:
        done["$defs"] = {f"{tool}.{name}": one for name, one in done["$defs"].items()}
    if isinstance(done.get("$ref"), str):
        done["$ref"] = done["$ref"].replace("#/$defs/", f"#/$defs/{tool}.", 1)
    return done


def _untitled(value: Any) -> Any:
    """A schema without the titles that pydantic makes of names; an argument called `title` stays."""
    if isinstance(value, list):
        return [_untitled(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name: _untitled(one) for name, one in value.items() if name != "title" or isinstance(one, dict)}


if __name__ == "__main__":
    print(json.dumps(plan_schema(registered().values()), indent=2, ensure_ascii=False))
