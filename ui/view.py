"""What one run of the page shows, read once: the session's graph, where this tab stands, its turns, its messages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from agent.plan import Ask, Plan
from sessions import history, turns
from sessions.history import Graph
from sessions.identity import REVISION_PREFIX
from sessions.store import Store
from sessions.values import Message, Revision, Turn
from ui.place import Place
from ui.worker import Live, Worker

TALK = 60
"""How many messages of the conversation are read; older ones are in `pentimento log`."""


@dataclass(frozen=True)
class View:
    """Everything the columns draw from. Of this branch: `going`, the turns that are not over, the one at work first
    unless it is another branch's; `refused`, what was said and led to no turn. `waited_for`: this tab's own."""

    place: Place
    graph: Graph
    branch: str
    messages: tuple[Message, ...]
    turns: tuple[Turn, ...]
    going: tuple[Live, ...] = ()
    refused: tuple[Live, ...] = ()
    waited_for: Live | None = None

    @property
    def live(self) -> Live | None:
        """The turn at work on this branch, whoever began it; else the one that this tab waited for."""
        return self.going[0] if self.going else self.waited_for

    @property
    def head(self) -> Revision:
        """The head of this tab's branch."""
        return self.graph.by_id[self.graph.branches[self.branch]]

    @cached_property
    def shown(self) -> Revision:
        """The revision on the canvas: the one picked in the tree, else the head."""
        return self._revision(self.place.at) or self.head

    @cached_property
    def beside(self) -> Revision | None:
        """The revision that `shown` is compared with."""
        return self._revision(self.place.beside)

    @property
    def parent(self) -> Revision | None:
        """What `shown` was made from."""
        return self.graph.by_id[self.shown.parents[0]] if self.shown.parents else None

    @property
    def original(self) -> Revision:
        """The photo that the shown line began with."""
        return list(self.graph.line(self.shown.id))[-1]

    @cached_property
    def of_message(self) -> dict[str, Turn]:
        return {turn.message: turn for turn in self.turns}

    @cached_property
    def open(self) -> Turn | None:
        """The turn of this branch that waits for an answer or for approval, if any."""
        waits = [t for t in self.turns if t.branch == self.branch and (t.state == "waiting" or _held(t))]
        return waits[-1] if waits else None

    @property
    def ask(self) -> Ask | None:
        """The question that this branch has been asked."""
        if self.open is None or self.open.state != "waiting":
            return None
        return Plan.of(self.open).ask

    @property
    def last_plan(self) -> Plan | None:
        """The plan that led to the head, where it was steps alone: what can be changed and done again."""
        last = next((turn for turn in self.turns if turn.request_id == self.head.turn), None)
        if last is None or last.state != "done":
            return None
        plan = Plan.of(last)
        return plan if plan.steps and plan.command is None else None

    @property
    def marking(self) -> bool:
        """Whether the question is about a mask, which the canvas then shows."""
        return self.ask is not None and self.ask.mask

    def _revision(self, short: str) -> Revision | None:
        return self.graph.by_id.get(REVISION_PREFIX + short) if short else None


def look(store: Store, worker: Worker, place: Place) -> View:
    """Read what there is to show; NotFound for a session that is not one's own."""
    session = store.session(place.session).id
    worker.revive(session)
    waited_for, running = worker.live(place.request), worker.running(session)  # first: what ends later is drawn anew
    graph = history.graph(store, session)
    branch = place.branch if place.branch in graph.branches else graph.current or "main"
    messages, recent = turns.messages(store, session, TALK), turns.recent(store, session, TALK)
    begun = {turn.request_id for turn in recent}
    refused = [live for live in worker.refused(session) if live.call.request_id not in begun]
    return View(
        place, graph, branch, tuple(messages), tuple(recent), on(branch, running), on(branch, refused), waited_for
    )


def on(branch: str, lives: list[Live]) -> tuple[Live, ...]:
    """Those that were said on a branch."""
    return tuple(live for live in lives if live.call.branch in (None, branch))


def _held(turn: Turn) -> bool:
    return turn.state == "planned" and "held" in turn.outcome
