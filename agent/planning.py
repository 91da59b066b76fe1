"""From a message to a stored turn: what it asks for, or which question it answers. Runs nothing.

A plan that does not fit the session becomes a turn that says why; only what the door refuses is raised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from agent import commands, pointing, restating, turns
from agent.plan import Ask, Candidate, Context, Plan, Planner
from agent.planners.given import Given
from sessions import history
from sessions import turns as stored
from sessions.errors import (
    Ambiguous,
    ChatModelError,
    EditError,
    NotFound,
    NothingToUndo,
    PentimentoError,
    PlanError,
    Refused,
)
from sessions.history import Graph
from sessions.limits import ATTACHMENTS
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
    context = seen(store, graph, wish.branch, wish.attachments)
    if wish.focus.revision is not None:
        context = replace(context, head=history.resolve(graph, wish.focus.revision).id)
    waiting = [t for t in stored.open_turns(store, wish.session, context.branch) if t.state == "waiting"]
    asked = waiting[0] if waiting and not isinstance(planner, Given) else None  # a click is no answer, whatever it says
    if asked and (earlier := _unanswered(store, asked)):
        wish = replace(wish, attachments=_together(earlier, wish.attachments))
        context = replace(context, attachments=wish.attachments)
    candidate = _answer(asked, wish.text, graph) if asked and wish.text else None
    if asked:
        context = replace(context, asked=_question(store, asked))
        if _slot(asked) is None:
            context, candidate = replace(context, meant=candidate), None
    plan = None if candidate else _in_mind(understand(store, planner, wish, graph, context), context)
    if asked and plan is not None and _only_talks(plan, wish):
        candidate = _sent(asked, wish.attachments) or _free(asked, wish.text)
    turn = _turn(wish, context, plan)
    names = tuple(asset.sha256 for asset in wish.attachments)
    if asked and candidate is not None:
        answer = {"answers": asked.request_id, "slot": _slot(asked), "with": candidate.model_dump(mode="json")}
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


def seen(store: Store, graph: Graph, branch: str | None, attachments: tuple[Asset, ...]) -> Context:
    """`turns.context_of` with what redo would bring back, also on a branch that is not the current one."""
    context = turns.context_of(graph, branch, attachments)
    return replace(context, undone=history.undone(store, graph.session.id, context.branch))


def checked(store: Store, plan: Plan, graph: Graph, context: Context) -> Plan:
    """`turns.check` of a plan whose steps begin where its command, if it has one, will lead."""
    if plan.command is not None and plan.command.name != "replay":
        context = replace(context, head=commands.reached(store, graph, context.branch, plan.command))
    return turns.check(plan, graph, context)


def understand(store: Store, planner: Planner, wish: Wish, graph: Graph, context: Context) -> Plan:
    """The planner's plan, checked; one that does not fit this session becomes a refusal that says why.

    So does whatever keeps a planner from its work: no weights, no network, more words than it reads.
    """
    if not wish.text:
        return wordless(planner, context)
    try:
        region = wish.focus.region
        plan = planner.plan(pointing.plainly(wish.text) if region else wish.text, context)
        plan = pointing.pointed(plan, region) if region else plan
        if not isinstance(planner, Given):  # told plans are done as told
            plan = restating.restated(plan, context, graph)
        return checked(store, plan, graph, context)
    except (PlanError, ChatModelError, EditError, Refused, NotFound, Ambiguous, NothingToUndo) as error:
        return Plan(chat=str(error), refused=error.code, planner=planner.name)


def wordless(planner: Planner, context: Context) -> Plan:
    """Files without a word: the question what to do with them, whose answer they come with."""
    names = " and ".join(asset.name for asset in context.attachments)
    said = f"You sent {names or 'nothing'}. Say what should change."
    if not names:
        return Plan(chat=said, refused="no_words", planner=planner.name)
    return Plan(ask=Ask(question=said), planner=planner.name)


def _only_talks(plan: Plan, wish: Wish) -> bool:
    """Whether a plan does nothing and asks nothing of its own: its message may answer the question that waits."""
    return not plan.steps and plan.command is None and (plan.ask is None or not wish.text)


def _unanswered(store: Store, turn: Turn) -> tuple[Asset, ...]:
    """What was sent without a word and waits for one, or with words whose question is about no place of a plan."""
    return () if stored.said(store, turn).text and _slot(turn) else _sent_with(store, turn)


def _in_mind(plan: Plan, context: Context) -> Plan:
    """A further question about the same wish remembers what was said and asked before."""
    if plan.ask is None or plan.ask.slot is not None or context.asked is None or context.asked[1].slot is not None:
        return plan
    said, ask = context.asked
    return plan.model_copy(update={"ask": plan.ask.model_copy(update={"about": f"{said} {ask.question}"})})


def _together(earlier: tuple[Asset, ...], now: tuple[Asset, ...]) -> tuple[Asset, ...]:
    """Files that were sent one message after the other, the newest of them, each once."""
    return tuple({asset.sha256: asset for asset in (*earlier, *now)}.values())[-ATTACHMENTS:]


def amend(store: Store, turn: Turn, plan: Plan) -> Turn:
    """Replace the stored plan of a turn that has not run, or that waits, by one that the person has changed."""
    graph = history.graph(store, turn.session)
    context = replace(turns.context_of(graph, turn.branch, _sent_with(store, turn)), head=turn.planned_head)
    amended = checked(store, plan.model_copy(update={"ask": None, "doubts": ()}), graph, context)
    return (stored.resume if turn.state == "waiting" else stored.amend)(store, turn, amended.to_json())


def answered(store: Store, answer: Turn) -> Turn:
    """The turn that an answer belongs to, its plan filled in; sent again, the turn as it now is.

    An answer fills the slot that it was given for, and no other: the turn may have asked its next question since.
    """
    asked = stored.get(store, answer.session, answer.outcome["answers"])
    if asked.state != "waiting" or answer.outcome.get("slot") != _slot(asked):
        return asked
    candidate = Candidate.model_validate(answer.outcome["with"])
    if candidate.value is False:
        return stored.finish(store, asked, "cancelled", {"reply": LEFT_ALONE}, LEFT_ALONE)
    plan = Plan.of(asked).answered(candidate.revision or candidate.value)
    graph = history.graph(store, asked.session)
    try:
        photos = _sent_with(store, asked, answer)
        filled = checked(store, plan, graph, turns.context_of(graph, asked.branch, photos))
    except PentimentoError as error:
        return stored.finish(store, asked, "refused", {"error": failure(error)}, str(error))
    return stored.resume(store, asked, filled.to_json())


def _sent_with(store: Store, *spoken: Turn) -> tuple[Asset, ...]:
    """What came with the messages of these turns, which all belong to one session."""
    names = [name for turn in spoken for name in stored.said(store, turn).attachments]
    return tuple(store.asset(spoken[0].session, name) for name in names)


LEFT_ALONE = "Nothing was changed. Name the place in other words, or mark it with a box or the brush."


def failure(error: PentimentoError) -> Json:
    """An error as it is stored in the turn's outcome."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def _slot(turn: Turn) -> str | None:
    """The place of the plan that a turn's question is about."""
    ask = Plan.of(turn).ask
    return ask.slot if ask else None


def _answer(turn: Turn, text: str, graph: Graph) -> Candidate | None:
    ask = Plan.of(turn).ask
    return turns.answer(text, ask, graph) if ask else None


def _question(store: Store, turn: Turn) -> tuple[str, Ask] | None:
    """What was said, and asked back; None where nothing was said."""
    ask, said = Plan.of(turn).ask, stored.said(store, turn).text
    return (f"{ask.about} {said}".strip(), ask) if ask and said else None


def _sent(turn: Turn, attachments: tuple[Asset, ...]) -> Candidate | None:
    """Photos sent as the answer, where the question is which other picture, or which two, a step shall use; or sounds.

    What a tool does not work with fills no place of its step.
    """
    slot = _slot(turn) or ""
    if not re.search(r"\.subjects(\.0)?$", slot):
        return None
    hears = registry.get(Plan.of(turn).steps[int(slot.split(".")[1])].tool).hears
    sent = [asset.sha256 for asset in attachments if asset.kind == "image" or (hears and asset.kind == "audio")]
    if len(sent) != (1 if slot.endswith(".0") else 2):
        return None
    value = sent[0] if slot.endswith(".0") else sent
    return Candidate(label=" and ".join(asset.name for asset in attachments), value=value)


def _free(turn: Turn, text: str) -> Candidate | None:
    """A message taken as the answer itself, where the question allows free words."""
    ask: Ask | None = Plan.of(turn).ask
    words = text.strip().strip("\"'“”‘’")
    if ask is None or not ask.free or ask.slot is None or not words:
        return None
    return Candidate(label=words, value={"words": words} if ask.slot.endswith(".region") else words)
