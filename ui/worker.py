"""Runs turns on threads of its own, so that no rerun, reload or closed tab ends them, and shows how far they are.

The `Turn` rows are the truth: what is here can be lost, and a turn whose process died goes on when its session is next
looked at.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from agent.assistant import EVERYTHING, Assistant, Upload, abandoned
from agent.events import Asked, Committed, Event, Finished, Planned, Refused, Working
from agent.plan import Plan
from agent.planners.given import Given
from agent.planning import Focus
from sessions import turns
from sessions.errors import PentimentoError, StorageError
from sessions.identity import new_id
from sessions.values import Picture, Pixels

log = logging.getLogger(__name__)

SEATS = 2
"""How many turns run at once; the others wait for their place."""

REMEMBERED = 64
"""How many ended turns are kept for tabs that have not looked yet."""


@dataclass(frozen=True)
class Call:
    """A message as the page sends it. `plan`: what was clicked, where nothing is to be understood."""

    session: str
    text: str
    files: Sequence[Upload] = ()
    branch: str | None = None
    focus: Focus = EVERYTHING
    plan: Plan | None = None
    request_id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class Live:
    """A turn as it now stands. `beat` grows with every change; `error`: the door refused the message itself."""

    call: Call
    beat: int = 0
    plan: Plan | None = None
    index: int = 0
    fraction: float = 0.0
    preview: Picture | None = None
    made: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    refused: Refused | None = None
    finished: Finished | None = None
    error: PentimentoError | None = None

    @property
    def asked_mask(self) -> Pixels | None:
        """The mask that the turn's question shows, (H, W), where it ended in one."""
        return next((event.mask for event in self.events if isinstance(event, Asked)), None)

    @property
    def over(self) -> bool:
        return self.finished is not None or self.error is not None


class Worker:
    """The turns of one owner. One for all tabs."""

    def __init__(self, assistant: Assistant) -> None:
        self.assistant = assistant
        self._lives: OrderedDict[str, Live] = OrderedDict()
        self._lock = threading.Condition()
        self._pool = ThreadPoolExecutor(SEATS, thread_name_prefix="turn")

    def start(self, call: Call) -> Live:
        """Begin a turn, or go on with the one of that request_id; at once back with how it stands."""
        with self._lock:
            live = self._lives.get(call.request_id)
            if live is not None and not live.over:
                return live
            live = self._lives[call.request_id] = Live(call)
            self._forget()
        self._pool.submit(self._run, call)
        return live

    def live(self, request_id: str) -> Live | None:
        return self._lives.get(request_id)

    def wait(self, request_id: str, seconds: float) -> bool:
        """Wait until a turn has ended, at most so long; whether it has."""
        with self._lock:
            return self._lock.wait_for(lambda: self._lives[request_id].over, seconds)

    def running(self, session: str) -> list[Live]:
        """The turns of a session that this process runs now, oldest first."""
        with self._lock:
            return [live for live in self._lives.values() if live.call.session == session and not live.over]

    def revive(self, session: str) -> list[Live]:
        """Go on with what a process that is gone has left unfinished; plans that wait for approval are left alone."""
        mine = {live.call.request_id for live in self.running(session)}
        left = [turn for turn in turns.open_turns(self.assistant.store, session) if abandoned(turn)]
        return [
            self.start(Call(session, "", branch=turn.branch, request_id=turn.request_id))
            for turn in left
            if turn.request_id not in mine
        ]

    def rest(self, seconds: float) -> bool:
        """Take no more turns and wait for those that run; False where one is still at work after so long."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        end = time.monotonic() + seconds
        pause = threading.Event()
        while (busy := any(thread.is_alive() for thread in self._pool._threads)) and time.monotonic() < end:
            pause.wait(0.05)
        return not busy

    def cancel(self, session: str, request_id: str) -> None:
        """Ask a turn to stop, whoever runs it."""
        turns.cancel(self.assistant.store, session, request_id)

    def _run(self, call: Call) -> None:
        assistant = self.assistant if call.plan is None else Assistant(self.assistant.store, Given(call.plan))
        try:
            for event in assistant.turn(call.session, call.text, call.files, call.request_id, call.branch, call.focus):
                self._update(call.request_id, event)
        except PentimentoError as error:
            self._set(call.request_id, error=error)
        except Exception:
            log.exception("turn %s failed", call.request_id)
            broken = StorageError("Something broke on our side; what was done before is kept.", "Send it again.")
            self._set(call.request_id, error=broken)

    def _update(self, request_id: str, event: Event) -> None:
        match event:
            case Planned(plan=plan):
                self._set(request_id, plan=plan)
            case Working(index=index, fraction=fraction, preview=preview):
                shown = {"preview": preview} if preview is not None else {}
                self._set(request_id, index=index, fraction=fraction, **shown)
            case Committed(revision=revision):
                self._set(request_id, made=(*self._lives[request_id].made, revision.id))
            case Asked():
                self._set(request_id, events=(*self._lives[request_id].events, event))
            case Refused():
                self._set(request_id, refused=event)
            case Finished():
                self._set(request_id, finished=event, preview=None)
            case _:
                self._set(request_id, events=(*self._lives[request_id].events, event))

    def _set(self, request_id: str, **changes: object) -> None:
        with self._lock:
            live = self._lives[request_id]
            self._lives[request_id] = replace(live, beat=live.beat + 1, **changes)  # type: ignore[arg-type]
            self._lock.notify_all()

    def _forget(self) -> None:
        """Drop the oldest ended turns; the lock is held."""
        over = [name for name, live in self._lives.items() if live.over]
        for name in over[: max(0, len(over) - REMEMBERED)]:
            del self._lives[name]
