"""A wish said again with another value: "make the star blue", then "make the star red".

The second takes the place of the first, as "no, red" would: it runs from the picture before the first, so that no paint
goes over paint. The same for what a whole picture can only be once, as a time of day: night, then dawn. Between the two
may lie wishes of other kinds, which are kept (`agent.superseding`): night, warm, then dawn is warm, then dawn. Read are
steps of tools that take an instruction, whoever planned them; all but the value has to be the same. Runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.plan import Context, Plan, PlanStep
from sessions import lineage
from sessions.history import Graph
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

FURTHEST = 2
"""Over so many wishes of other kinds is an earlier one found: each may have to be worked again."""

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
    """Whether an instruction wishes the same as an earlier one, perhaps with another value."""
    one, other = wish(before), wish(now)
    return one is not None and other is not None and (one.what, one.kind) == (other.what, other.kind)


Said = tuple[str, Json | None]
"""An instruction, and the region it was said of."""


def superseded(made: Sequence[Said], now: Said) -> int | None:
    """Which instruction of a picture, oldest first, a new one restates: the newest such, behind wishes only.

    What else was done since would come out as something else: a hat added again is another hat. None where there is
    none.
    """
    for at in reversed(range(max(0, len(made) - 1 - FURTHEST), len(made))):
        said, place = made[at]
        if place == now[1] and restates(said, now[0]):
            return at
        if wish(said) is None:
            return None
    return None


def restated(plan: Plan, context: Context, graph: Graph) -> Plan:
    """The plan whose first step replaces an earlier one, where it wishes the same with another value."""
    replaced = None if plan.command is not None or not plan.steps else _replaced(plan.steps[0], context.head, graph)
    if replaced is None:
        return plan
    first = plan.steps[0].model_copy(update={"replaces": replaced})
    return plan.model_copy(update={"steps": (first, *plan.steps[1:])})


def _replaced(step: PlanStep, head: str | None, graph: Graph) -> str | None:
    now = str(step.args.get("instruction", ""))
    if head is None or step.replaces is not None or step.base not in (None, head) or step.subjects or wish(now) is None:
        return None
    steps = lineage.steps(graph, head)
    at = superseded([_said(one) if one.tool == step.tool else ("", None) for one in steps], (now, step.region))
    return None if at is None else steps[at].id


def _said(one: Revision) -> Said:
    if one.step is None or not _instructs(one):
        return "", None
    return str(one.step.args["instruction"]), one.step.region.to_json() if one.step.region else None


def instructed(context: Context) -> Revision | None:
    """The head, where a tool that takes an instruction made it."""
    head = next((one for one in context.revisions if one.id == context.head), None)
    return head if head is not None and _instructs(head) else None


def _instructs(one: Revision) -> bool:
    """Whether a tool with weights made it, as an instruction said."""
    if one.step is None or one.tool not in registry.registered():
        return False
    args: Json = one.step.args
    return bool(registry.get(one.tool).weights) and "instruction" in args
