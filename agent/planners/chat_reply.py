"""From a chat model's reply to a plan of this session, or to a sentence that says what is wrong with it.

What leaves here names only registered tools with arguments they accept, and only pictures of this session, by their
full ids. What only a person may say (that an unsure place is right, a brush mask, a seed) is left out. Asks no model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from agent.plan import AFTER_STEPS, PREV, Ask, Candidate, Command, Context, Plan, PlanStep
from agent.turns import attached, check_call, check_kinds
from sessions.errors import PlanError
from sessions.values import Json
from sessions.words import cleaned
from tools import registry

LONGEST_REPLY = 20_000
"""Characters that are read of a reply."""
LONGEST_SENTENCE = 1_000
CANDIDATES = 8

_FIELDS = ("steps", "ask", "chat", "command", "then")
_PLACE = re.compile(r"steps\.(\d)\.(base|region|subjects\.\d|args\.\w+)")
_LEARNT = re.compile(r"@[\w-]+")
"""The name of a learnt subject, which the check of the plan looks up."""


def understood(reply: str | Json, context: Context, planner: str) -> Plan:
    """The plan of a reply: JSON, or text with one JSON object in it; PlanError, for the model, for anything else."""
    try:
        said = _spoken(only_object(reply) if isinstance(reply, str) else reply)
        plan = Plan.model_validate({name: said[name] for name in _FIELDS if name in said})
    except ValidationError as error:
        first = error.errors()[0]
        raise PlanError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    except RecursionError:
        raise PlanError("The plan is nested too deeply.") from None
    plan = _named(plan, context)
    if not (plan.steps or plan.command or plan.ask or plan.chat):
        raise PlanError("The plan is empty: it needs steps, a command, a question or a sentence.")
    for step in plan.steps:
        _checked(step, context, asked=plan.ask is not None)
    return plan.model_copy(update={"planner": planner})


def only_object(text: str) -> Json:
    """The one plan in a text, whatever words stand around it; the same plan twice is one."""
    found = [one for one in _objects(text[:LONGEST_REPLY]) if set(one) & set(_FIELDS)]
    if not found:
        raise PlanError("The reply holds no plan as a JSON object.")
    if any(one != found[0] for one in found):
        raise PlanError("The reply holds several plans; one was asked for.")
    return found[0]


def _objects(text: str) -> Iterator[Json]:
    """The outermost JSON objects of a text, in order."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
            yield value
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)


def _spoken(value: Any) -> Any:
    """Without what is null, which models write for what they leave out."""
    if isinstance(value, dict):
        return {name: _spoken(one) for name, one in value.items() if one is not None}
    return [_spoken(one) for one in value if one is not None] if isinstance(value, list) else value


def _checked(step: PlanStep, context: Context, asked: bool) -> None:
    """PlanError for a call that its tool does not take; where a question is open, something may still be missing."""
    registry.get(step.tool)
    check_kinds(step, {one.sha256: name for name, one in attached(context).items() if one.kind == "audio"})
    if not asked:
        check_call(step)


# References


def _named(plan: Plan, context: Context) -> Plan:
    """The plan with its pictures by their full ids, and nothing that is only a person's to say."""
    steps = tuple(_step(step, index, context) for index, step in enumerate(plan.steps))
    done = bool(steps or plan.command)
    chat = _sentence(plan.chat) if plan.chat else None
    return Plan(
        command=_command(plan.command, context) if plan.command else None,
        steps=steps,
        then=_then(plan.then, context) if plan.then else None,
        ask=_ask(plan.ask, steps, context) if plan.ask else None,
        chat=None if done or plan.ask else chat,
        notes=(chat,) if chat and done else (),
    )


def _step(step: PlanStep, index: int, context: Context) -> PlanStep:
    if "mask" in (step.region or {}):
        raise PlanError("A region is words or a box; masks are drawn by the person.")
    return PlanStep(
        tool=step.tool,
        args=step.args,
        base=_reference(step.base, index, context) if step.base else None,
        subjects=tuple(_reference(one, index, context, subject=True) for one in step.subjects),
        region=step.region,
    )


def _reference(name: str, index: int, context: Context, subject: bool = False) -> str:
    """`prev`, or the full id of a picture of this session, as a `subject` also of a sound; PlanError for another."""
    said = name.strip()
    if said == PREV and index > 0:
        return PREV
    if said == PREV:
        raise PlanError("The first step has no step before it, so nothing is called prev there.")
    if subject and _LEARNT.fullmatch(said):
        return said
    known = _names(context, sounds=subject)
    if said not in known:
        raise PlanError(f"There is no picture called {said[:80]!r} here: write #7 or A1, as SESSION has them.")
    return known[said]


def _names(context: Context, sounds: bool) -> dict[str, str]:
    """Every name of a picture → its id: branches, files, ids, then numbers, which count where two are the same."""
    kinds = ("image", "audio") if sounds else ("image",)
    sent = {name: asset for name, asset in attached(context).items() if asset.kind in kinds}
    files = [asset.name for asset in sent.values()]
    once = {asset.name: asset.sha256 for asset in sent.values() if files.count(asset.name) == 1}
    ids = {revision.id: revision.id for revision in context.revisions}
    ids |= {asset.sha256: asset.sha256 for asset in sent.values()}
    numbers = {f"#{revision.seq}": revision.id for revision in context.revisions}
    return {**context.branches, **once, **ids, **{name: one.sha256 for name, one in sent.items()}, **numbers}


# Commands


def _command(command: Command, context: Context) -> Command:
    """The command with nothing in it that is an answer of the person's; a number must be one of this session."""
    if command.name in ("switch", "merge") and command.target is None:
        raise PlanError(f"{command.name} needs a target.")
    if command.name == "rename" and command.other is None:
        raise PlanError("rename needs the new name as other.")
    numbers = {f"#{revision.seq}" for revision in context.revisions}
    for name in (command.target, command.other):
        if name is not None and name.startswith("#") and name.partition("~")[0] not in numbers:
            raise PlanError(f"There is no {name[:80]} in this session.")
    options = command.options if command.name == "export" else {}
    return command.model_copy(update={"options": options})


def _then(then: Command, context: Context) -> Command:
    if then.name not in AFTER_STEPS:
        raise PlanError(f"{then.name} cannot come after the steps.")
    return _command(then, context)


# Questions


def _ask(ask: Ask, steps: tuple[PlanStep, ...], context: Context) -> Ask:
    """The question; its candidates only where each of them would fill the plan.

    A question that fills no slot of its steps is answered by saying more, which is planned with the question in mind.
    """
    question = _sentence(ask.question)
    if not question:
        raise PlanError("The question has no words.")
    place = _PLACE.fullmatch(ask.slot or "")
    if place is None or int(place[1]) >= len(steps):
        labels = "; ".join(_sentence(one.label) for one in ask.candidates[:CANDIDATES])
        return Ask(question=_sentence(f"{question} ({labels})") if labels else question)
    hears = registry.get(steps[int(place[1])].tool).hears
    candidates = tuple(_candidate(one, place[2], context, hears) for one in ask.candidates[:CANDIDATES])
    free = place[2].startswith(("args", "region")) and (ask.free or not candidates)
    meant = Ask(question=question, candidates=candidates, slot=ask.slot, free=free)
    for one in candidates:
        _filled(Plan(steps=steps, ask=meant), one)
    return meant


def _candidate(one: Candidate, place: str, context: Context, hears: bool) -> Candidate:
    """An answer with its picture by full id; what was attached is a value, as it is no revision yet."""
    label = _sentence(one.label)[:80] or "this one"
    if place.startswith(("base", "subjects")):
        meant = _reference(one.revision or str(one.value), 0, context, subject=hears and place.startswith("subjects"))
        if any(meant == other.id for other in context.revisions):
            return Candidate(label=label, revision=meant)
        seen = any(meant == asset.sha256 and asset.kind == "image" for asset in context.attachments)
        return Candidate(label=label, value=meant, shown=seen)
    if not isinstance(one.value, str | int | float | bool):
        raise PlanError(f"The candidate {label!r} needs a value: words or a number.")
    return Candidate(label=label, value={"words": str(one.value)} if place == "region" else one.value)


def _filled(plan: Plan, one: Candidate) -> None:
    try:
        plan.answered(one.revision or one.value)
    except (PlanError, ValidationError, LookupError, TypeError, AttributeError):
        raise PlanError(f"The candidate {one.label!r} does not fit its slot.") from None


def _sentence(words: str) -> str:
    """Words of a model as they may be shown: without control characters, and not without end."""
    return str(cleaned(words)).strip()[:LONGEST_SENTENCE]
