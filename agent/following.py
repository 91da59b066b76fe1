"""Turns that need weights, from the side of who asks for them: left to the engine, and followed to their end.

Whether a turn needs the engine, whether it could run at all, and what the engine makes of it, as the same events that
a turn in this process yields. Loads no weights and imports nothing that could.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from agent import lease
from agent.events import Committed, Event, Queued
from agent.journal import News
from agent.plan import Plan
from sessions import history, turns
from sessions.store import Store
from sessions.values import Turn
from tools import registry, shelf

LOOK_SECONDS = 0.05
"""How often the journal, the row and the lease are looked at."""


def needed(store: Store, turn: Turn, plan: Plan) -> bool:
    """Whether the engine runs a turn: it has it already, or a step needs weights, or may do one again that does.

    What was begun in another place goes on there, or here where nobody is there any more: the engine would not take it.
    """
    if plan.ask is not None or plan.chat is not None:
        return False
    if turns.QUEUED in turn.outcome or turn.state == "running":
        return turns.QUEUED in turn.outcome
    if roles(plan):
        return True
    merges = plan.command is not None and plan.command.name == "merge"
    if not merges and not any(step.replaces for step in plan.steps):
        return False
    return any(_weights(one.tool) for one in history.graph(store, turn.session).revisions)


def roles(plan: Plan) -> tuple[str, ...]:
    """The roles of the weights that the steps of a plan need."""
    return tuple(dict.fromkeys(role for step in plan.steps for role in _weights(step.tool)))


def _weights(tool: str) -> tuple[str, ...]:
    found = registry.registered().get(tool)
    return found.weights if found is not None else ()


def follow(store: Store, turn: Turn, plan: Plan) -> Generator[Event, None, Turn]:
    """Leave a turn to the engine and tell what it does; the turn comes back as it stands at its end or its question.

    MissingWeights, before an engine is started for it, where it could not run; ToolFailed where no engine could be
    started. To close this, or to interrupt it, is to cancel the turn.
    """
    if turn.state == "planned":
        shelf.at(store.home).require(roles(plan))
    news = News(store, turn, late=turn.state == "running")
    told = set(turns.revisions(store, turn)[: turn.next_step])
    now = turns.enqueue(store, turn)
    try:
        if now.state == "planned" and (before := turns.before(store.database, now)):
            yield Queued(before)
        while True:
            yield from _in_order(store, now, news.read(), told)
            if now.state not in ("planned", "running"):
                break
            lease.rouse(store)
            time.sleep(LOOK_SECONDS)
            now = turns.get(store, turn.session, turn.request_id)  # before the journal, which so has all that led to it
        yield from _commits(store, now, turns.revisions(store, now), now.branch, told)
    except (GeneratorExit, KeyboardInterrupt):
        turns.cancel(store, turn.session, turn.request_id)
        raise
    return now


def _in_order(store: Store, turn: Turn, events: Iterator[Event], told: set[str]) -> Iterator[Event]:
    """The events, each commit once and after those before it: an engine may die before it has told one, or after."""
    for event in events:
        if isinstance(event, Committed):
            made, this = turns.revisions(store, turn), event.revision.id
            before = made[: made.index(this)] if this in made else []
            yield from _commits(store, turn, [*before, this], event.branch, told)
        else:
            yield event


def _commits(store: Store, turn: Turn, made: list[str], branch: str, told: set[str]) -> Iterator[Event]:
    """Those of the revisions that were not told yet."""
    for one in made:
        if one not in told:
            told.add(one)
            yield Committed(store.revision(turn.session, one), branch)
