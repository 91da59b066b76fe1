"""The `rules` planner: everyday English → `Plan`, by tables of words and small functions, without any model.

Its one rule: every word of a message must be explained before anything changes. What is not understood is refused
with a sentence that says what is possible; what lacks something, or fits two things, is asked. It never guesses at an
edit.

    words → spelling → captions → references → segments → reading (edits, commands, asides) → order → Plan
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent.plan import AFTER_STEPS, MAX_STEPS, Ask, Candidate, Command, Context, Plan, PlanStep
from agent.planners.rules import (
    asides,
    commands,
    history,
    languages,
    mentions,
    naming,
    order,
    pictures,
    reading,
    references,
    replies,
    segments,
)
from agent.planners.rules.captions import quoted
from agent.planners.rules.clause import Draft
from agent.planners.rules.commands import Said
from agent.planners.rules.edits import Canvas
from agent.planners.rules.questions import reply
from agent.planners.rules.reader import Reading
from agent.planners.rules.references import Reference
from agent.planners.rules.reported import without_lead
from agent.planners.rules.typos import corrected
from agent.planners.rules.words import Word, cut

NAME = "rules@1"
_DANGLING = {"of", "the", "a", "an", "and", "my", "with", "or", "but", "by", "than"}
"""No message ends with one of these words, unless something is missing."""
LONGEST_COMMAND = 20
"""Words; a longer message says more than one command."""


class RulesPlanner:
    """Implements `agent.plan.Planner`. Stateless; the same message in the same context gives the same plan."""

    name = NAME

    def plan(self, text: str, context: Context) -> Plan:
        """The plan of one message: steps (perhaps after a command), or a question, or a refusal."""
        words = quoted(text, without_lead(corrected(cut(text), context)))
        again = pictures.blended(words, context)
        if again is not None:
            return Plan(steps=(again,), planner=NAME)
        words = pictures.mark(words, context)
        foreign = languages.refusal(_unquoted(text, words))
        if foreign is not None:
            return _chat(foreign)
        paired = any(word.kind == "request" for word in words)
        command = commands.spoken(words, context) if len(words) <= LONGEST_COMMAND and not paired else None
        if command is not None and command.command.name == "undo" and len(references.line(context)) == 1:
            return _chat(replies.NOTHING_TO_UNDO)
        if command is not None and command.command.name == "redo" and context.undone is None:
            return _chat(replies.NOTHING_TO_REDO)
        if command is not None:
            return Plan(command=command.command, ask=command.ask, planner=NAME)
        said = reply(words)
        if said is not None:
            return _chat(said)
        if words and words[-1].text in _DANGLING:
            return _chat(replies.UNFINISHED)
        marked, meant = mentions.mark(words, context)
        lost = naming.lost(marked, context)
        if lost is not None:
            return _chat(replies.lost(lost))
        read = reading.read(segments.split(marked), _canvas(context), context)
        return _planned(read, meant, context)


def _unquoted(text: str, words: Sequence[Word]) -> str:
    for word in words:
        if word.kind == "quote":
            text = text[: word.start] + " " * (word.stop - word.start) + text[word.stop :]
    return text


def _canvas(context: Context) -> Canvas:
    line = references.line(context)
    if not line:
        return Canvas()
    return Canvas((line[0].width, line[0].height), references.plain(line[-1].name.rpartition(".")[0]))


def _chat(text: str) -> Plan:
    return Plan(chat=text, planner=NAME)


def _ask(question: str, **more: object) -> Plan:
    return Plan(ask=Ask(question=question), planner=NAME, **more)  # type: ignore[arg-type]


def _planned(read: Reading, meant: Mapping[str, Reference], context: Context) -> Plan:
    """The plan of what was read; nothing where a word stayed unexplained."""
    if read.unread:
        return _chat(replies.refusal(read.unread))
    if read.vague:
        return _ask(replies.WHAT_CHANGE)
    tools = {draft.tool for draft in read.drafts} | ({"crop"} if read.said else set())
    if any(replies.names_other(segment.words, tools) for segment in read.remarks):
        return _chat(replies.NOT_UNDERSTOOD)
    told = [*read.remarks, *read.headings]
    if any(replies.is_elsewhere(segment.words) for segment in told):
        return _chat(replies.NOTHING_ASKED)
    if read.said is not None and any(segment.words[0].text in {"where", "when"} for segment in told):
        return _chat(replies.NOT_UNDERSTOOD)
    if read.said is not None and read.said.command.name == "undo" and all(unit.complaint for unit in read.units):
        return _without_steps(read)
    if not read.units:
        return _without_steps(read)
    if read.then is not None and len(read.units) != read.led:
        return _chat(replies.ONE_AT_A_TIME)
    drafts = asides.restricted(order.settled(order.ordered(read.units)), read.bans)
    if drafts is None or order.contradictory(drafts):
        return _ask(replies.CONTRADICTION)
    if len(drafts) > MAX_STEPS:
        return _chat(replies.TOO_MANY)
    landed = references.landing(read.said.command, context) if read.said else None
    if landed is not None and any(draft.factor is not None and not draft.tool for draft in drafts):
        return _ask(replies.WHAT_CHANGE)
    there = replace(context, head=landed) if landed is not None else context
    drafts, starts = history.settled(drafts, there, " ".join(word.text for unit in read.units for word in unit.words))
    meant = {**meant, **starts}
    if read.instead_of is not None and read.said is None and not drafts[0].base:
        start = history.replaced(drafts, read.bans, read.instead_of, context)
        if start is not None:
            drafts[0] = replace(drafts[0], base=history.START)
            meant[history.START] = start
    return _with_steps(read, drafts, meant, context)


def _without_steps(read: Reading) -> Plan:
    """A command, or nothing to do."""
    notes = _notes(read)
    if read.said is not None:
        return Plan(command=read.said.command, ask=read.said.ask, planner=NAME, notes=notes)
    if read.bans:
        return Plan(chat=replies.NOTHING_ASKED, planner=NAME, notes=notes)
    return Plan(chat=replies.small_talk(read.remarks, read.greeted), planner=NAME, notes=notes)


def _notes(read: Reading) -> tuple[str, ...]:
    return tuple(f"set aside: {segment.text}" for segment in [*read.headings, *read.remarks])


def _with_steps(read: Reading, drafts: Sequence[Draft], meant: Mapping[str, Reference], context: Context) -> Plan:
    steps = tuple(_step(draft, meant) for draft in drafts)
    ask = _question(drafts, meant, context)
    command, then = None, read.then.command if read.then else None
    if read.said is not None and then is None and _leads_to(read, read.said):
        then = read.said.command
    elif read.said is not None:
        command = Command(name="reset") if read.said.looks else read.said.command
        if command.name in {"export", "compare", "rename", "merge", "replay"} or (read.said.ask and ask):
            return _chat(replies.ONE_AT_A_TIME)
        ask = ask or read.said.ask
    return Plan(command=command, steps=steps, then=then, ask=ask, planner=NAME, notes=_notes(read))


def _leads_to(read: Reading, said: Said) -> bool:
    """ "Save it as a PNG, but crop it first": all that is to be done comes before the command."""
    first = all(unit.place in {"before previous", "before all"} for unit in read.units)
    return first and said.ask is None and said.command.name in AFTER_STEPS


def _step(draft: Draft, meant: Mapping[str, Reference]) -> PlanStep:
    region = {"words": draft.region} if draft.region else None
    fits = meant[draft.base].revisions if draft.base else ()
    base, why = (fits[0].id, _why(draft.base or "", fits[0].seq)) if len(fits) == 1 else (None, None)
    return PlanStep(tool=draft.tool, args=draft.args, region=region, base=base, subjects=draft.subjects, why=why)


def _why(said: str, number: int) -> str:
    """`starts from #2, as you said “the square crop”`"""
    if said == history.START:
        return f"starts from #{number}, instead of what came after it"
    return f"starts from #{number}, as you said" + ("" if said == f"#{number}" else f" “{said}”")


def _usual(context: Context) -> tuple[Candidate, ...]:
    """Where nothing fits: the last versions of the line."""
    return references.candidates(references.line(context)[:3], context)


def _question(drafts: Sequence[Draft], meant: Mapping[str, Reference], context: Context) -> Ask | None:
    """The first thing that is missing or fits twice."""
    for i, draft in enumerate(drafts):
        if draft.base and len(meant[draft.base].revisions) != 1:
            fits = references.candidates(meant[draft.base].revisions, context)
            return Ask(
                question="Which version do you mean?", candidates=fits or _usual(context), slot=f"steps.{i}.base"
            )
        if draft.need is not None:
            need = draft.need
            return Ask(
                question=need.question, candidates=need.candidates, slot=f"steps.{i}.{need.field}", free=need.free
            )
    return None


__all__ = ["NAME", "Candidate", "RulesPlanner", "replace"]
