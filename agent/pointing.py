"""Speaking with a finger on the picture: what a message means where a box or a brush mask has been drawn on it.

Puts the drawn region into a plan; finds no regions and runs nothing.
"""

from __future__ import annotations

import re

from agent.plan import Plan, PlanStep
from sessions.errors import PlanError
from sessions.values import Region
from tools import registry

_MARKED = re.compile(
    r"\b(?:(?:inside|within|in)\s+)?(?:"
    r"(?:the|this|that)\s+(?:(?:marked|painted|selected|drawn)\s+)?(?:area|part|region|place|spot|selection|box|mask)"
    r"|what\s+(?:i|i've|i\s+have)\s+(?:just\s+)?(?:marked|painted|selected|drawn|boxed))\b",
    re.IGNORECASE,
)
"""Names of what is marked; the planner knows `this`."""

_REST = re.compile(r"\b(?:the\s+rest|everything\s+else|all\s+else|outside)\b", re.IGNORECASE)
_HERE = {"this", "here", "it", "that"}


def plainly(text: str) -> str:
    """The message with `this` for every name of what was marked; PlanError where it also speaks of all the rest."""
    if _REST.search(text):
        raise PlanError(
            "A message about a marked place cannot also be about the rest.", "Say one, then take the mark away."
        )
    return _MARKED.sub("this", text)


def pointed(plan: Plan, region: Region) -> Plan:
    """The plan with what was drawn as the place of every step that takes one and names none."""
    if plan.ask is not None and (plan.ask.slot or "").endswith(".region"):
        plan = plan.answered(region.to_json())
    return plan.model_copy(update={"steps": tuple(_at(step, region) for step in plan.steps)})


def _at(step: PlanStep, region: Region) -> PlanStep:
    named = str((step.region or {}).get("words", "this")).lower()
    elsewhere = step.region is not None and named not in _HERE
    if elsewhere or registry.get(step.tool).region == "none":
        return step
    return step.model_copy(update={"region": region.to_json()})
