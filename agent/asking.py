"""Questions whose answer must be seen: a doubt about a place or a cut-out, and any question asked again, with pictures.

What is asked stands in the turn's plan; what it shows is worked out from there as it was at first, or, where that took
weights, has been kept by the engine. Changes nothing.
"""

from __future__ import annotations

from agent import commands, journal, others
from agent.commands import THUMBNAIL
from agent.events import Asked
from agent.plan import PREV, Ask, Candidate, Plan, PlanStep
from agent.stepping import Job, work
from sessions import turns
from sessions.errors import EditError, NotFound, Unsure
from sessions.identity import REVISION_PREFIX, bytes_hash, canonical
from sessions.store import Store
from sessions.values import Picture, Turn
from tools.pixels import shrink


def name(turn: Turn) -> str:
    """A short name for a turn's question: another one as soon as anything of its plan is another."""
    return bytes_hash(canonical(turn.plan))[:16]


def doubt(unsure: Unsure, index: int) -> Asked:
    """Whether step `index` shall go on with what it is not sure of."""
    yes = Candidate(label="yes, use it", value=True, shown=unsure.shown is not None)
    ask = Ask(
        question=str(unsure),
        candidates=(yes, Candidate(label="no", value=False)),
        slot=f"steps.{index}.confirmed",
        mask=unsure.mask is not None,
    )
    return Asked(ask, {0: unsure.shown} if yes.shown else {}, unsure.mask)


def again(store: Store, turn: Turn) -> Asked:
    """The question that a turn waits with, its pictures and its mask found anew; NotFound where it asks nothing."""
    plan = Plan.of(turn)
    if plan.ask is None:
        raise NotFound("That turn asks nothing.")
    slot = plan.ask.slot or ""
    if turns.QUEUED in turn.outcome:
        return journal.asked(store, turn, plan.ask)
    if slot.endswith(".confirmed"):
        return _doubted(store, turn, plan.ask, plan.steps)
    if plan.command is not None and plan.command.name == "merge" and slot.startswith("command.options"):
        return Asked(plan.ask, commands.pictures(store, turn.session, turn.branch, plan.command))
    named = {at: one.revision or one.value for at, one in enumerate(plan.ask.candidates) if one.revision or one.shown}
    return Asked(plan.ask, {at: _small(_picture(store, turn, name)) for at, name in named.items()})


def _doubted(store: Store, turn: Turn, ask: Ask, steps: tuple[PlanStep, ...]) -> Asked:
    """The step run again as far as its doubt; a tool that has none any more leaves the question without pictures."""
    index = turn.next_step
    try:
        for _ in work(index, _job(store, turn, index, steps[index])):
            pass
    except Unsure as unsure:
        return Asked(ask, doubt(unsure, index).pictures, unsure.mask)
    except EditError:
        pass
    return Asked(ask)


def _job(store: Store, turn: Turn, index: int, step: PlanStep) -> Job:
    def named(name: str) -> str:
        return turns.revisions(store, turn)[index - 1] if name == PREV else name

    brush = (step.region or {}).get("mask")
    subjects, sounds = others.apart(others.other(store, turn.session, named(one)) for one in step.subjects)
    return Job(
        step,
        _picture(store, turn, named(step.base or turn.planned_head or PREV)),
        subjects,
        _picture(store, turn, brush).pixels if brush else None,
        sounds=sounds,
    )


def _picture(store: Store, turn: Turn, name: str) -> Picture:
    """A revision's picture, or an asset's."""
    image = store.revision(turn.session, name).image if name.startswith(REVISION_PREFIX) else name
    return store.picture(turn.session, image)


def _small(picture: Picture) -> Picture:
    return Picture(shrink(picture.pixels, THUMBNAIL))
