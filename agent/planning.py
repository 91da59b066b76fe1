"""From a message to a stored turn: what it asks for, or which question it answers. Runs nothing.

A plan that does not fit the session becomes a turn that says why; only what the door refuses is raised.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agent import turns
from agent.plan import Ask, Candidate, Context, Plan, Planner, PlanStep
from sessions import history
from sessions import turns as stored
from sessions.errors import Ambiguous, NotFound, NothingToUndo, PentimentoError, PlanError
from sessions.history import Graph
from sessions.store import Store
from sessions.values import Asset, Json, Region, Turn
from tools import registry


@dataclass(frozen=True)
class Focus:
    """What the person looks at and points to while speaking.

    `revision`: the one on the screen, from which the message is meant, if that is not the branch's head. `region`: a
    box or a brush mask drawn on it, for every step that takes a place and names none.
    """

    revision: str | None = None
    region: Region | None = None


@dataclass(frozen=True)
class Wish:
    """A message as it arrived. `hold`: store the plan, and let it wait until the person has approved it."""

    session: str
    text: str
    request_id: str
    branch: str | None = None
    focus: Focus = field(default_factory=Focus)
    attachments: tuple[Asset, ...] = ()
    hold: bool = False


def begin(store: Store, planner: Planner, wish: Wish) -> Turn:
    """Plan a message and store the turn; or recognise it as the answer to what this branch was asked."""
    graph = history.graph(store, wish.session)
    context = turns.context_of(graph, wish.branch, wish.attachments)
    if wish.focus.revision is not None:
        context = replace(context, head=history.resolve(graph, wish.focus.revision).id)
    waiting = [t for t in stored.open_turns(store, wish.session, context.branch) if t.state == "waiting"]
    candidate = _answer(waiting[0], wish.text, graph) if waiting else None
    plan = None if candidate else understand(planner, wish, graph, context)
    if plan is not None and waiting and not plan.steps and plan.command is None and plan.ask is None:
        candidate = _free(waiting[0], wish.text)
    turn = _turn(wish, context, plan)
    names = tuple(asset.sha256 for asset in wish.attachments)
    if candidate is not None:
        answer = {"answers": waiting[0].request_id, "with": candidate.model_dump(mode="json")}
        return stored.begin(store, replace(turn, state="done", outcome=answer), wish.text, names)
    for old in waiting:
        stored.cancel(store, wish.session, old.request_id)
    return stored.begin(store, turn, wish.text, names)


def _turn(wish: Wish, context: Context, plan: Plan | None) -> Turn:
    return Turn(
        session=wish.session,
        request_id=wish.request_id,
        message="",
        branch=context.branch,
        planned_head=context.head,
        plan=plan.to_json() if plan else {},
        state="planned",
        next_step=0,
        cancel=False,
        lease=None,
        heartbeat=None,
        outcome={"held": True} if wish.hold else {},
        created_at="",
    )


def understand(planner: Planner, wish: Wish, graph: Graph, context: Context) -> Plan:
    """The planner's plan, checked; one that does not fit this session becomes a refusal that says why."""
    if not wish.text:
        return _added(planner, context)
    try:
        plan = pointed(planner.plan(wish.text, context), wish.focus.region)
        return turns.check(plan, graph, context)
    except (PlanError, NotFound, Ambiguous, NothingToUndo) as error:
        return Plan(chat=str(error), refused=error.code, planner=planner.name)


def _added(planner: Planner, context: Context) -> Plan:
    """Photos without a word: nothing to do yet, but they are there."""
    names = " and ".join(asset.name for asset in context.attachments) or "nothing"
    return Plan(chat=f"You sent {names}. Say what should change.", refused="no_words", planner=planner.name)


HERE = {"this", "here", "it", "that", "this part", "this area", "the marked area", "the marked part", "the selection"}
"""Words of a region that mean: what I have marked."""


def pointed(plan: Plan, region: Region | None) -> Plan:
    """The plan with what was drawn on the picture as the place of every step that takes one and names none."""
    if region is None:
        return plan
    if plan.ask is not None and (plan.ask.slot or "").endswith(".region"):
        plan = plan.answered(region.to_json())
    return plan.model_copy(update={"steps": tuple(_at(step, region) for step in plan.steps)})


def _at(step: PlanStep, region: Region) -> PlanStep:
    named = (step.region or {}).get("words", "")
    unnamed = step.region is None or str(named).lower() in HERE
    if not unnamed or registry.get(step.tool).region == "none":
        return step
    return step.model_copy(update={"region": region.to_json()})


def amend(store: Store, turn: Turn, plan: Plan) -> Turn:
    """Replace the stored plan of a turn that has not run, or that waits, by one that the person has changed."""
    graph = history.graph(store, turn.session)
    context = replace(turns.context_of(graph, turn.branch), head=turn.planned_head)
    checked = turns.check(plan.model_copy(update={"ask": None}), graph, context)
    return (stored.resume if turn.state == "waiting" else stored.amend)(store, turn, checked.to_json())


def answered(store: Store, answer: Turn) -> Turn:
    """The turn that an answer belongs to, its plan filled in; sent again, the turn as it now is."""
    asked = stored.get(store, answer.session, answer.outcome["answers"])
    if asked.state != "waiting":
        return asked
    candidate = Candidate.model_validate(answer.outcome["with"])
    if candidate.value is False:
        return stored.finish(store, asked, "cancelled", {"reply": LEFT_ALONE}, LEFT_ALONE)
    plan = Plan.model_validate(asked.plan).answered(candidate.revision or candidate.value)
    graph = history.graph(store, asked.session)
    try:
        checked = turns.check(plan, graph, turns.context_of(graph, asked.branch))
    except PentimentoError as error:
        return stored.finish(store, asked, "refused", {"error": failure(error)}, str(error))
    return stored.resume(store, asked, checked.to_json())


LEFT_ALONE = "Nothing was changed. Name the place in other words, or mark it with a box or the brush."


def failure(error: PentimentoError) -> Json:
    """An error as it is stored in the turn's outcome."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def _answer(turn: Turn, text: str, graph: Graph) -> Candidate | None:
    ask = Plan.model_validate(turn.plan).ask
    return turns.answer(text, ask, graph) if ask else None


def _free(turn: Turn, text: str) -> Candidate | None:
    """A message taken as the answer itself, where the question allows free words."""
    ask: Ask | None = Plan.model_validate(turn.plan).ask
    if ask is None or not ask.free or ask.slot is None:
        return None
    words = text.strip().strip("\"'“”‘’")
    return Candidate(label=words, value={"words": words} if ask.slot.endswith(".region") else words)
