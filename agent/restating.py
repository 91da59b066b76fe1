"""A wish said again with another value: "make the star blue", then "make the star red".

The second takes the place of the first, as "no, red" would: it runs from the picture before the first, so that no paint
goes over paint. The same for what a whole picture can only be once, as a time of day: night, then dawn. Read are steps
of tools that take an instruction, whoever planned them; everything but the value has to be the same. Runs nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.plan import Context, Plan, PlanStep
from sessions.values import Json, Revision
from tools import registry

COLORS = frozenset(
    "red orange yellow green blue purple violet pink brown black white grey gray cyan teal magenta turquoise gold "
    "silver beige navy".split()
)
STATES = tuple(
    frozenset(states.split())
    for states in (
        "day daytime daylight noon midday morning dawn sunrise afternoon sunset dusk twilight evening night nighttime",
        "spring summer autumn fall winter",
        "sunny cloudy overcast rainy snowy foggy misty stormy",
        "warm cool cold",
    )
)
"""Of a whole picture; two of one kind shut each other out, two of different kinds do not."""

_WHOLE = frozenset("it everything picture photo image scene light lighting time season weather".split())
_SAID = re.compile(
    r"^(?:please\s+)?(?:make|turn|paint|dye|colou?r|change|set)\s+(?:the\s+colou?r\s+of\s+)?(?:the\s+)?(?P<what>.+?)"
    r"\s+(?:look\s+)?(?:like\s+|into\s+|to\s+|in\s+)?(?:an?\s+|the\s+)?(?P<value>[a-z]+)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Wish:
    """What shall become what: `kind` is the set of values that shut each other out."""

    what: str
    kind: frozenset[str]
    value: str


def wish(instruction: str) -> Wish | None:
    """The wish of an instruction that says one value of a kind known here; None for any other instruction."""
    said = _SAID.match(instruction.strip().rstrip(".!").strip())
    if not said:
        return None
    what, value = " ".join(said["what"].lower().split()), said["value"].lower()
    kind = next((kind for kind in (COLORS, *STATES) if value in kind), None)
    if kind is None or (kind is not COLORS and what not in _WHOLE):
        return None
    return Wish(what if kind is COLORS else "", kind, value)


def restates(before: str, now: str) -> bool:
    """Whether an instruction wishes the same as the one before it, perhaps with another value."""
    one, other = wish(before), wish(now)
    return one is not None and other is not None and (one.what, one.kind) == (other.what, other.kind)


def restated(plan: Plan, context: Context) -> Plan:
    """The plan whose first step replaces what the head's step wished, where it wishes the same with another value."""
    if plan.command is not None or not plan.steps or not _replaces(plan.steps[0], context):
        return plan
    first = plan.steps[0].model_copy(update={"replaces": context.head})
    return plan.model_copy(update={"steps": (first, *plan.steps[1:])})


def _replaces(step: PlanStep, context: Context) -> bool:
    last = instructed(context)
    if last is None or last.step is None or last.tool != step.tool:
        return False
    if step.replaces is not None or step.base not in (None, last.id) or step.subjects:
        return False
    same_place = step.region == (last.step.region.to_json() if last.step.region else None)
    return same_place and restates(str(last.step.args["instruction"]), str(step.args.get("instruction", "")))


def instructed(context: Context) -> Revision | None:
    """The head, where a tool that takes an instruction made it."""
    head = next((one for one in context.revisions if one.id == context.head), None)
    if head is None or head.step is None or head.tool not in registry.registered():
        return None
    args: Json = head.step.args
    return head if registry.get(head.tool).weights and "instruction" in args else None
