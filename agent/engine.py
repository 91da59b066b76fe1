"""The engine of a data folder: the one process in which tools that need weights run, so that these are loaded once.

It holds the lease, takes what was left to it from the rows, one turn at a time, and runs it as any turn is run. The
page keeps one in a thread of its own; `python -m agent.engine` is one that leaves when nothing was asked of it for a
while. It has nothing to tidy up, so it may be killed at any time: the next engine goes on at the first step without a
revision. (Who runs what was left to the engine is decided here and nowhere else: others could take it, on other
machines, from the same rows.)
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from agent import lease
from agent.assistant import Assistant
from agent.journal import Journal, sweep
from agent.plan import Plan
from agent.planners.given import Given
from agent.planning import failure
from agent.settings import Settings
from agent.stepping import guarded
from sessions import turns
from sessions.errors import PentimentoError, ToolFailed, TurnBusy
from sessions.store import Store
from sessions.values import Turn

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often an engine with nothing to do looks at the rows."""
AGAIN_SECONDS = 1.0
"""How long it waits after a failure of the disk or the database, and for a lease that another process has."""
DEATHS = 3
"""So many engines may die under one step; then it is given up."""


class Engine:
    """Runs what was left to the engine of the data folder of `store`, whoever owns it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._order: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="engine", daemon=True)

    def run(self, idle: float | None = None) -> None:
        """Hold the lease and work: until `leave`, or until nothing was asked for `idle` seconds.

        At once back where another process has the lease.
        """
        with lease.lease(self._store.home) as ours:
            if ours:
                sweep(self._store.home)
            busy = time.monotonic()
            while ours and not self._stop.is_set():
                if self._serve_next():
                    busy = time.monotonic()
                elif idle is not None and time.monotonic() - busy >= idle:
                    break
                else:
                    self._stop.wait(LOOK_SECONDS)

    def keep(self) -> None:
        """Be the engine for as long as this process lives, in a thread of it, from when the lease is free."""
        lease.keepers.add(self._store.home.resolve())
        self._thread.start()

    def leave(self, seconds: float) -> bool:
        """Begin no more turns; False where one is still at work after so long."""
        self._stop.set()
        lease.keepers.discard(self._store.home.resolve())
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _keep(self) -> None:
        while not self._stop.is_set():
            with self._going_on("hold the lease of the engine"):
                self.run()
            self._stop.wait(AGAIN_SECONDS)

    @contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """Failures of the disk and the database are not the end of an engine."""
        try:
            with guarded(what):
                yield
        except PentimentoError as error:
            log.warning("%s", error)
            self._stop.wait(AGAIN_SECONDS)

    # One turn

    def _serve_next(self) -> bool:
        """Run the turn whose time has come; False where there is none, or it could not be run now."""
        with self._going_on("run what was left to the engine"):
            waiting = turns.queue(self._store.database)
            if not waiting:
                return False
            owner, turn = min(waiting, key=self._rank)
            self._order[owner] = self._order[turn.session] = max(self._order.values(), default=0) + 1
            self._serve(Assistant(self._store.of(owner), Given(Plan())), turn)
            return True
        return False

    def _rank(self, waiting: tuple[str, Turn]) -> tuple[bool, int, int]:
        """First what an engine has left in the middle; then by turns: owners, and the sessions of an owner."""
        owner, turn = waiting
        return turn.state != "running", self._order.get(owner, 0), self._order.get(turn.session, 0)

    def _serve(self, assistant: Assistant, turn: Turn) -> None:
        if turn.state == "running" and turns.lost(assistant.store, turn) >= DEATHS:
            _give_up(assistant.store, turn)
            return
        with (
            suppress(TurnBusy),  # cancelled since
            closing(Journal(self._store.home, turn)) as journal,
            closing(assistant.carry_out(turn, turn.lease)) as events,
        ):
            for event in events:
                journal.tell(event)


def _give_up(store: Store, turn: Turn) -> None:
    """A step that no engine survives, most likely because the system runs out of memory."""
    tries = f"{DEATHS} tries at this step ended before it did, perhaps for want of memory."
    error = ToolFailed(tries, "Try a smaller photo.")
    turns.finish(store, turn, "failed", {"error": failure(error), "reply": str(error)}, str(error))


def main() -> None:
    """An engine in a process of its own, until it has had nothing to do for a while."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    settings = Settings()
    gc.freeze()  # as the page does (`ui.server`)
    Engine(Store(settings.home, settings.database_url, settings.owner)).run(settings.engine_minutes * 60)


if __name__ == "__main__":
    main()
