"""The plan as a card: what will be done, what is being done, what came of it, and a form to change it before it runs.

`rows` is HTML to look at; `editor` is a component whose answer becomes a plan again. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import streamlit as st

from agent.plan import PREV, Command, Plan, PlanStep
from agent.telling import describe
from sessions.turns import OPEN_STATES
from sessions.values import Json, Region, Revision, TurnState
from tools import registry
from ui.waveform import Shown, figure

Small = str | Shown
"""What stands for a picture, its address, or for a sound."""
NO_PICTURES: Mapping[str, Small] = MappingProxyType({})
_STATIC = Path(__file__).parent / "static"

_mount = st.components.v2.component(
    "pentimento.plan",
    html='<form class="plan"><ol></ol><div class="actions"></div></form>',
    css=(_STATIC / "plan.css").read_text(encoding="utf-8"),
    js="\n".join((_STATIC / name).read_text(encoding="utf-8") for name in ("shared.js", "plan.js")),
)


def words(step: PlanStep) -> str:
    """A step in a few words."""
    return describe(step.tool, step.args, Region.from_json(step.region))


def rows(
    plan: Plan,
    made: Sequence[Revision],
    running: tuple[int, float] | None = None,
    state: TurnState = "done",
    pictures: Mapping[str, Small] = NO_PICTURES,
) -> str:
    """The card as HTML. `made`: what the steps came to, in order; `running`: the step at work, and how far, 0…1.

    `state`: the turn's. What follows the steps is done only where all of it is. `pictures`: where small pictures are
    found of what steps start from or work with, by id, and the sounds among them.
    """
    ended = state not in OPEN_STATES
    lines = "".join(_row(number, step, made, running, ended, pictures) for number, step in enumerate(plan.steps))
    then = "done" if state == "done" else "not" if ended else "next"
    before, after = _command(plan.command, "done"), _command(plan.then, then)
    return f"<ol class='plan-rows'>{before}{lines}{after}</ol>" if lines else ""


def _command(command: Command | None, how: str) -> str:
    if command is None:
        return ""
    told = " ".join(str(part) for part in (command.name, command.target, command.other) if part)
    came = "not done" if how == "not" else ""
    return f"<li class='{how}'><span class='what'>{escape(told)}</span><span class='came'>{came}</span></li>"


def _row(
    number: int,
    step: PlanStep,
    made: Sequence[Revision],
    running: tuple[int, float] | None,
    ended: bool,
    pictures: Mapping[str, Small],
) -> str:
    what = f"<span class='what'>{escape(words(step))}{_start(step, pictures)}</span>"
    if number < len(made):
        return f"<li class='done'>{what}<span class='came'>#{made[number].seq} ✓</span></li>"
    if running is not None and running[0] == number:
        percent = round(running[1] * 100)
        return f"<li class='now'>{what}<span class='meter'><i style='width:{percent}%'></i></span></li>"
    return (
        f"<li class='{'not' if ended else 'next'}'>{what}<span class='came'>{'not done' if ended else ''}</span></li>"
    )


def _start(step: PlanStep, pictures: Mapping[str, Small]) -> str:
    """Which picture a step starts from, and why; with a small picture where that is not where one stands."""
    shown = "".join(
        figure(one) if isinstance(one, Shown) else f"<img src='{escape(one)}' alt=''>" for one in _seen(step, pictures)
    )
    return f"<span class='start'>{shown}{escape(step.why or '')}</span>" if shown or step.why else ""


def _seen(step: PlanStep, pictures: Mapping[str, Small]) -> list[Small]:
    """Where the pictures are found that a step starts from, where it says so, and works with; its sounds as such."""
    base = step.base if step.base and step.why else ""
    return [pictures[name] for name in (base, *step.subjects) if name in pictures]


def why(plan: Plan, start: Revision | None) -> str:
    """The planner's reasons, folded away."""
    here = start is not None and plan.steps[:1] != () and plan.steps[0].base == start.id
    said = [f"Started from #{start.seq}." if start and here else "", *plan.notes]
    said.append(f"Understood by {plan.planner or 'the planner'}, {plan.confidence:.0%} sure.")
    return (
        f"<details class='why'><summary>why</summary><p>{escape(' '.join(part for part in said if part))}</p></details>"
    )


def editor(plan: Plan, key: str, label: str, pictures: Mapping[str, Small] = NO_PICTURES) -> Plan | None:
    """A form for a plan's steps; the changed plan once the person has pressed the button called `label`.

    `pictures`: as of `rows`.
    """
    data = {"steps": [_form(step, pictures) for step in plan.steps], "label": label, "fixed": not _chain(plan)}
    result = _mount(key=key, data=data, on_decided_change=lambda: None)
    return changed(plan, result.get("decided"))


def _form(step: PlanStep, pictures: Mapping[str, Small] = NO_PICTURES) -> Json:
    fields = list(_fields(step))
    bare = describe(step.tool, {}, Region.from_json(step.region))
    seen = _seen(step, pictures)
    return {
        "title": bare,
        "fields": fields,
        "why": step.why or "",
        "pictures": [one for one in seen if isinstance(one, str)],
        "sounds": [asdict(one) for one in seen if isinstance(one, Shown)],
    }


def _fields(step: PlanStep) -> Iterator[Json]:
    """One entry for each argument that the plan names: its value, and what values it may have."""
    properties = registry.get(step.tool).schema().get("properties", {})
    for name, value in step.args.items():
        if value is None or name not in properties:
            continue
        schema = _allowed(properties[name])
        if "enum" in schema:
            yield {"name": name, "kind": "choice", "value": value, "choices": schema["enum"]}
        elif schema.get("type") in ("number", "integer"):
            low = schema.get("minimum", schema.get("exclusiveMinimum"))
            high = schema.get("maximum", schema.get("exclusiveMaximum"))
            whole = schema["type"] == "integer"
            yield {"name": name, "kind": "number", "value": value, "low": low, "high": high, "whole": whole}
        elif schema.get("type") == "string":
            color = isinstance(value, str) and value.startswith("#")
            yield {"name": name, "kind": "color" if color else "text", "value": value}


def _allowed(schema: Json) -> Json:
    """The schema of an argument that may also be left out."""
    options = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    return dict(options[0]) if options else {}


def _chain(plan: Plan) -> bool:
    """Whether every step but the first goes on from the one before, so that their order is free."""
    return all(step.base in (None, PREV) for step in plan.steps[1:])


def changed(plan: Plan, decided: Any) -> Plan | None:
    """The plan as the form has it: [{"step": 2, "args": {…}}, …] in the new order. None where nothing was decided.

    Values are checked when the plan is: nothing from the browser is trusted here but which steps, in which order.
    """
    if not isinstance(decided, list) or not decided:
        return None
    steps = [step for one in decided if isinstance(one, dict) and (step := _decided(plan, one)) is not None]
    if len(steps) < len(decided):
        return None
    if _chain(plan):
        bases = [plan.steps[0].base, *[PREV] * (len(steps) - 1)]
        steps = [_from(step, base) for step, base in zip(steps, bases, strict=True)]
    return plan.model_copy(update={"steps": tuple(steps), "ask": None})


def _from(step: PlanStep, base: str | None) -> PlanStep:
    """The step from another picture; what was said of its own is not true of that."""
    return step if base == step.base else step.model_copy(update={"base": base, "why": None})


def _decided(plan: Plan, one: Json) -> PlanStep | None:
    number, given = one.get("step"), one.get("args")
    if type(number) is not int or not 0 <= number < len(plan.steps) or not isinstance(given, dict):
        return None
    step = plan.steps[number]
    return step.model_copy(update={"args": step.args | {k: v for k, v in given.items() if k in step.args}})
