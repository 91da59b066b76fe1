"""Rules first; a tool with weights where it is called by its name, or where nothing else can do what was said.

A message that names such a tool ("diffedit: a bowl of pears", "use analogist on #1 and #4", "blip_diffusion with A1",
of the files that came with it the first) is a call of it. What the rules refuse is left to a second planner where one
was chosen; where it takes another picture than the one that the rules read in the message, the person is asked. Where
none was it is offered to the tool that follows instructions, or sounds where one came with it, if its weights are
here, and never done unasked. A correction of what an instruction has just done ("no, red") replaces it. Understands no
other English: that is the rules'.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from agent.plan import Ask, Candidate, Context, Plan, Planner, PlanStep
from agent.planners import agreeing
from agent.planners.corrections import corrected
from agent.planners.rules import NAME, RulesPlanner, languages, naming, replies
from agent.telling import SPOKEN
from agent.turns import asked_for
from sessions.values import Json
from tools import registry
from tools.base import Tool

INSTRUCTED, SHAPED = "instruct_pix2pix", "any2pix"
"""The tools that are offered what no other can do: one follows words, the other also a sound that came with them."""
LONGEST = 500
"""Letters of a prompt."""

_LEAD = r"(?:(?:please|now|let|try|use|run|with|have|ask)\s+)*"
_REFERENCE = re.compile(r"#\d+|@[\w-]+|(?<!\w)A(?P<sent>[1-9])(?!\w)")
_FILLER = re.compile(r"^(?:\s*(?:to|on|for|and|from|with|:|,|;|-|–|—))*\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Cascade:
    """Implements `agent.plan.Planner`. `able`: whether a tool's weights are on this machine and see real photos.

    `second`: asked where the rules refuse, and where a message chooses among the answers to its own question; in
    sessions that are `its` to plan. Where nobody has `chosen` it, wishes alone are left to it: what the rules say of
    questions and of other languages is better than what it would guess.
    """

    rules: RulesPlanner
    able: Callable[[Tool], bool]
    second: Planner | None = None
    its: Callable[[Context], bool] = lambda context: True
    chosen: bool = True
    name: str = "cascade@1"

    def plan(self, text: str, context: Context) -> Plan:
        """The plan of one message."""
        if context.meant is not None and (second := self._second(context)) is not None:
            return second.plan(text, context)
        called = called_by_name(text, len(context.attachments))
        if called is not None:
            return called.model_copy(update={"planner": self.name})
        correction = corrected(text, context)
        if correction is not None:
            return Plan(steps=(correction,), planner=self.name)
        plan = self.rules.plan(text, context)
        if plan.chat not in replies.REFUSALS and not (self.chosen and _unread(plan)):
            return plan
        if (second := self._second(context)) is not None:
            return plan if _answers(context) else _agreed(text, second.plan(text, context), context)
        return self._offered(text, context) or plan if plan.chat in replies.REFUSALS else plan

    def _second(self, context: Context) -> Planner | None:
        return self.second if self.second is not None and self.its(context) else None

    def _offered(self, text: str, context: Context) -> Plan | None:
        """A question whether a tool that repaints the picture shall try; None where none can."""
        heard = tuple(asset.sha256 for asset in context.attachments if asset.kind == "audio")
        if context.head is None:
            return None
        if heard and self._can(SHAPED):
            step, what = PlanStep(tool=SHAPED, args={"prompt": text[:LONGEST]}, subjects=heard), " and the sound"
        elif self._can(INSTRUCTED):
            step, what = PlanStep(tool=INSTRUCTED, args={"instruction": text}), ""
        else:
            return None
        ask = Ask(
            question=f"No darkroom tool does that. Shall {step.tool} try “{text}”{what}? It repaints the picture.",
            candidates=(Candidate(label="yes, try it", value=True), Candidate(label="no", value=False)),
            slot="steps.0.confirmed",
        )
        return Plan(steps=(step,), ask=ask, planner=self.name)

    def _can(self, name: str) -> bool:
        tool = registry.registered().get(name)
        return tool is not None and self.able(tool)


def _agreed(text: str, plan: Plan, context: Context) -> Plan:
    """The second planner's plan, unless the rules read in the message which picture is meant, and it has another."""
    lost = naming.absent(text, context) if plan.steps else None
    if lost is not None:
        return Plan(chat=replies.lost(lost), planner=NAME)
    ask = agreeing.disagreement(text, plan, context)
    if ask is None:
        return plan
    others = tuple(one for one in (plan.ask, *plan.doubts) if one is not None and one.slot != ask.slot)
    return plan.model_copy(update={"ask": ask, "doubts": others})


def _unread(plan: Plan) -> bool:
    """Whether the rules leave a question, or another language, to whoever can answer it."""
    return plan.chat == replies.QUESTION or languages.refuses(plan.chat)


def _answers(context: Context) -> bool:
    """Whether the words fill a place of a plan, and so need none."""
    return context.asked is not None and context.asked[1].free and context.asked[1].slot is not None


def called_by_name(text: str, attached: int = 0) -> Plan | None:
    """The plan of a message that begins with the name of a tool with weights; None where it does not.

    `attached`: how many files came with it, which A1, A2 … name.
    """
    for tool in registry.registered().values():
        if tool.weights and (said := _after_name(text, tool)) is not None:
            return _call(tool, said, attached)
    return None


def _after_name(text: str, tool: Tool) -> str | None:
    """What follows the tool's name at the start of a message."""
    name = re.escape(tool.name).replace("_", "[ _-]?")
    found = re.match(rf"\s*{_LEAD}{name}(?!\w)", text, re.IGNORECASE)
    return text[found.end() :] if found else None


def _call(tool: Tool, said: str, attached: int) -> Plan:
    subjects: tuple[str, ...] = ()
    if tool.subjects[1]:
        others = [found for found in _REFERENCE.finditer(said) if not found["sent"] or int(found["sent"]) <= attached]
        subjects = tuple(found[0] for found in others)
        for found in reversed(others):
            said = f"{said[: found.start()]} {said[found.end() :]}"
    words = " ".join(re.sub(r"\s+(?:and|to|from|on)\s*$", "", _FILLER.sub("", " ".join(said.split()))).split())
    slot = next((name for name in SPOKEN if name in tool.args.model_fields), None)
    args: Json = {slot: words} if slot and words else {}
    step = PlanStep(tool=tool.name, args=args, subjects=subjects)
    lacking = [name for name, field in tool.args.model_fields.items() if field.is_required() and name not in args]
    return Plan(steps=(step,), ask=asked_for(tool, lacking[0]) if lacking else None)
