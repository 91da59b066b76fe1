"""A recipe done again on one picture of a session, turn by turn, leaving out the steps that cannot be done there.

The stored turns are the journal: the same call after a crash reads how far it came and goes on at the next step. A turn
ends where a step fails; the next turn begins after it. Asks nothing: who wants to be asked sends the plan as one turn.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import count

from agent import telling
from agent.assistant import Assistant
from agent.events import Event
from agent.plan import Plan
from agent.planners.given import Given
from agent.recipes import Recipe, plan_of
from agent.stepping import region_meant
from sessions import turns as stored
from sessions.errors import Cancelled, EditError, PentimentoError, PlanError, Unsure
from sessions.store import Store
from sessions.values import Json, Revision, Turn
from tools import registry


@dataclass(frozen=True)
class Done:
    """What became of one step: `why` says why it was left out, and is "" where it was done. `seconds` of work."""

    tool: str
    seconds: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class Replayed:
    """Where a replay came to: the last revision, and every step that was tried, in order."""

    head: str
    steps: tuple[Done, ...] = ()

    @property
    def left_out(self) -> tuple[Done, ...]:
        """The steps that could not be done on this picture."""
        return tuple(step for step in self.steps if step.why)


def once(store: Store, plan: Plan, session: str, text: str, request_id: str | None = None) -> Iterator[Event]:
    """A plan as one turn of the conversation: it asks where it is unsure, and stops where it cannot go on."""
    return Assistant(store, Given(plan)).turn(session, text, request_id=request_id)


def replay(
    store: Store, recipe: Recipe, base: Revision, request_id: str, strict: bool = False
) -> Generator[Event, None, Replayed]:
    """Do a recipe again from `base`; words are grounded anew. `strict`: end at the first step that cannot be done.

    The same `request_id` goes on where it stopped. Raises what is no fault of a step: a full disk, a turn that another
    process holds, Cancelled where somebody stopped it.
    """
    steps, come = plan_of(recipe, base), Replayed(base.id)
    for number in count():
        if len(come.steps) == len(recipe.steps) or (strict and come.left_out):
            return come
        name = f"{request_id}.{number}"
        turn = stored.find(store, base.session, name)
        now = turn is None or turn.state in stored.OPEN_STATES
        if now:
            yield from once(store, _rest(steps, come), base.session, _said(recipe, come), name)
        come = _gone_on(store, stored.get(store, base.session, name), recipe, come, now)
    raise AssertionError("unreachable: every turn is followed by another")


def _rest(plan: Plan, come: Replayed) -> Plan:
    """The steps that were not tried yet, from where the others led."""
    first, *others = plan.steps[len(come.steps) :]
    return plan.model_copy(update={"steps": (first.model_copy(update={"base": come.head}), *others)})


def _said(recipe: Recipe, come: Replayed) -> str:
    """The message under which a turn of the replay stands in the conversation."""
    start = len(come.steps)
    return f"replay {recipe.name}" + (f", from step {start + 1}" if start else "")


def _gone_on(store: Store, turn: Turn, recipe: Recipe, come: Replayed, now: bool) -> Replayed:
    """How far a turn that has ended brought it. What stopped it `now` is raised, unless it is the step's own fault."""
    made = [store.revision(turn.session, one) for one in stored.revisions(store, turn)]
    steps = come.steps + tuple(Done(r.tool, r.facts.get("seconds", 0.0)) for r in made)
    head = made[-1].id if made else come.head
    if turn.state == "waiting":
        turn = stored.cancel(store, turn.session, turn.request_id)
    error = _stopped_by(turn)
    if isinstance(error, EditError) and not isinstance(error, Cancelled):
        steps += (Done(recipe.steps[len(steps)].tool, why=error.message),)
    elif error is not None and now:
        raise error
    return Replayed(head, steps)


def _stopped_by(turn: Turn) -> PentimentoError | None:
    """Why a turn ended before its plan did; None where it did not."""
    plan = Plan.of(turn)
    if turn.state == "done":
        return None
    if plan.ask is not None:
        step = plan.steps[turn.next_step]
        region = region_meant(step, registry.get(step.tool))
        what = f"where {telling.place(region)!r} is in this picture" if region else f"of what {step.tool} found"
        return Unsure(f"I am not sure {what} ({plan.confidence:.0%} sure).")
    if plan.refused is not None:
        return PlanError(plan.chat or "")
    if turn.state == "cancelled" and "error" not in turn.outcome:
        return Cancelled(turn.outcome.get("reply", "Stopped."))
    return _raised(turn.outcome["error"])


def _raised(failure: Json) -> PentimentoError:
    """An error as it was stored in a turn's outcome."""
    kinds = {kind.code: kind for kind in _kinds(PentimentoError)}
    return kinds.get(failure["code"], PentimentoError)(failure["message"], failure["hint"])


def _kinds(kind: type[PentimentoError]) -> Iterator[type[PentimentoError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)
