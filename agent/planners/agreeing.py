"""Whether another planner's plan uses the pictures that the rules read in the message; the question where it does not.

The rules may know for certain which picture is meant where they understand nothing else of a message. Asks only about
pictures: which tools there are and with which arguments is the other planner's to say. Runs nothing.
"""

from __future__ import annotations

from agent.plan import PREV, Ask, Candidate, Context, Plan
from agent.planners.rules import naming, references
from agent.planners.rules.naming import Named
from agent.telling import title
from agent.turns import attached_to

WHICH = "Which one do you mean?"


def disagreement(text: str, plan: Plan, context: Context) -> Ask | None:
    """The question between the picture that the message names and the one that the plan has instead; else None.

    A plan that uses a named picture anywhere, or asks whether it is the one, agrees with the name. Two names that it
    leaves out are not asked about.
    """
    if not plan.steps or (plan.command is not None and _landing(plan, context) is None):
        return None
    if plan.ask is not None and not (plan.ask.slot or "").endswith(".base"):
        return None
    named = naming.named(text, context)
    used = _used(plan, context)
    used |= {one.revision or str(one.value) for one in plan.ask.candidates} if plan.ask else set()
    left = [one for one in named if not {one.id, _shown(one.id, context), _before(one.id, plan, context)} & used]
    if len(left) != 1:
        return None
    slot = _slot(plan, left[0], named, context)
    if slot is None or (plan.ask is not None and plan.ask.slot != slot[0]):
        return None
    return _question(left[0].id, slot[1], slot[0], context)


def _slot(plan: Plan, left: Named, named: tuple[Named, ...], context: Context) -> tuple[str, str] | None:
    """Which place of the plan has another picture than the one named, and that picture."""
    others = {one.id for one in named if one is not left}
    for i, base in enumerate(_bases(plan, context)):
        if left.worked_on and base not in (None, PREV) and base not in others:
            return f"steps.{i}.base", str(base)
    subjects = [(i, k, one) for i, step in enumerate(plan.steps) for k, one in enumerate(step.subjects)]
    if not left.worked_on and len(subjects) == 1:
        i, k, other = subjects[0]
        return (f"steps.{i}.subjects.{k}", other) if other != PREV and other not in others else None
    return None


def _used(plan: Plan, context: Context) -> set[str]:
    """Every picture that a plan works on or with, by name and by what it shows."""
    names = {base for base in _bases(plan, context) if base is not None}
    names |= {subject for step in plan.steps for subject in step.subjects}
    return names | {_shown(name, context) for name in names}


def _before(name: str, plan: Plan, context: Context) -> str:
    """Where a revision's step started, for a plan that begins with the same tool: it is done anew."""
    made = next((revision for revision in context.revisions if revision.id == name and revision.step), None)
    return made.parents[0] if made is not None and made.tool == plan.steps[0].tool else name


def _shown(name: str, context: Context) -> str:
    """The hash of a revision's pixels: two that show the same are not to be told apart."""
    return next((revision.image for revision in context.revisions if revision.id == name), name)


def _bases(plan: Plan, context: Context) -> list[str | None]:
    """What each step starts from, as the check of plans will have it."""
    usual = [_start(plan, context), *[PREV] * (len(plan.steps) - 1)]
    return [step.base or base for step, base in zip(plan.steps, usual, strict=True)]


def _start(plan: Plan, context: Context) -> str | None:
    """Where the first step starts that says nothing of it: what the command leads to, what was attached, the head."""
    if plan.command is not None:
        return _landing(plan, context)
    sent = [asset.sha256 for asset in context.attachments if asset.kind == "image"]
    worked_with = {name for step in plan.steps for name in attached_to(step, plan, context)}
    free = [one for one in sent if one not in worked_with]
    return free[0] if free else context.head


def _landing(plan: Plan, context: Context) -> str | None:
    return references.landing(plan.command, context) if plan.command is not None else None


def _question(named: str, planned: str, slot: str, context: Context) -> Ask:
    return Ask(question=WHICH, candidates=(_candidate(named, context), _candidate(planned, context)), slot=slot)


def _candidate(name: str, context: Context) -> Candidate:
    """A picture as an answer: a revision by its number and what made it, an attached photo by its file."""
    for revision in context.revisions:
        if revision.id == name:
            return Candidate(label=title(revision), revision=name)
    photo = next((asset.name for asset in context.attachments if asset.sha256 == name), "")
    return Candidate(label=photo or "the attached photo", value=name, shown=True)
