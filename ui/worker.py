"""Runs turns on threads of its own, so that no rerun, reload or closed tab ends them, and shows how far they are.

The turns of a session run one after the other, each from where the one before has led. The `Turn` rows are the truth:
what is here can be lost, and a turn whose process died goes on when its session is next looked at.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from agent.assistant import EVERYTHING, Assistant, Upload, abandoned
from agent.events import Asked, Committed, Event, Exported, Finished, Planned, Queued, Refused, Working
from agent.plan import Plan, Planner
from agent.planners.given import Given
from agent.planning import Focus
from sessions import turns
from sessions.errors import NotFound, PentimentoError, StorageError
from sessions.identity import new_id
from sessions.rows import now
from sessions.values import Picture, Turn

log = logging.getLogger(__name__)

SEATS = 2
"""How many sessions have a turn running here at once; the others wait for their place."""

FOLLOWED = 30
"""How many sessions may besides wait for the engine, which takes no seat."""

REMEMBERED = 64
"""How many ended turns are kept for tabs that have not looked yet."""

STOPPED = "Stopped. Nothing was changed."
CLOSING = "The page is being stopped."


@dataclass(frozen=True)
class Call:
    """A message as the page sends it. `plan`: what was clicked, where nothing is to be understood; `planner`: by whom
    the others are understood, where it is not the usual one.

    `hold`: its plan waits for approval. `after`: the request_id of the turn that ran in the same tab when this was
    said, so that it begins where that one ends.
    """

    session: str
    text: str
    files: Sequence[Upload] = ()
    branch: str | None = None
    focus: Focus = EVERYTHING
    plan: Plan | None = None
    hold: bool = False
    after: str = ""
    planner: str = ""
    request_id: str = field(default_factory=new_id)
    said_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Live:
    """A turn as it now stands; once it is over, without the bytes of its files and without a preview.

    `began`: it waits no more for those before it. `queued`: so many turns of others the engine does first. `turn`: the
    request_id of the stored turn: the call's own, or that of the question it answers. `look` grows with every preview;
    `step` is the one it is of. `held`: the plan waits for approval. `error`: the door refused the message itself.
    """

    call: Call
    began: bool = False
    queued: int = 0
    cancelled: bool = False
    turn: str = ""
    plan: Plan | None = None
    first: int | None = None
    index: int = 0
    fraction: float = 0.0
    preview: Picture | None = None
    look: int = 0
    step: int = 0
    made: tuple[str, ...] = ()
    files: tuple[Exported, ...] = ()
    refused: Refused | None = None
    held: bool = False
    finished: Finished | None = None
    error: PentimentoError | None = None

    @property
    def over(self) -> bool:
        return self.held or self.finished is not None or self.error is not None


class Worker:
    """The turns of one owner. One for all tabs. `asked` is told of each question, with its session and its turn.

    `planners`: those that a tab may choose from, by name; any other name is the assistant's own.
    """

    def __init__(
        self,
        assistant: Assistant,
        asked: Callable[[str, str, Asked], None] = lambda *_: None,
        planners: Mapping[str, Planner] = MappingProxyType({}),
    ) -> None:
        self.assistant = assistant
        self.planners = planners
        self._asked = asked
        self._lives: OrderedDict[str, Live] = OrderedDict()
        self._lines: dict[str, deque[str]] = {}
        self._lock = threading.Condition()
        self._resting = False
        self._seats = threading.Semaphore(SEATS)
        self._seated: set[str] = set()
        self._pool = ThreadPoolExecutor(SEATS + FOLLOWED, thread_name_prefix="turn")

    def start(self, call: Call) -> Live:
        """Begin a turn, or go on with the one of that request_id; at once back with how it stands."""
        with self._lock:
            live = self._lives.get(call.request_id)
            if live is not None and not live.over:
                return live
            self._lives.pop(call.request_id, None)
            self._lives[call.request_id] = Live(call)
            if self._resting:
                self._set(call.request_id, error=StorageError(CLOSING, "Say it again when it is back."))
            else:
                self._line_up(call)
            self._drop_oldest()
            return self._lives[call.request_id]

    def live(self, request_id: str) -> Live | None:
        return self._lives.get(request_id)

    def wait(self, request_id: str, seconds: float) -> bool:
        """Wait until a turn has ended, at most so long; whether it has."""
        with self._lock:
            return self._lock.wait_for(lambda: request_id not in self._going(), seconds)

    def running(self, session: str) -> list[Live]:
        """The turns of a session that this process runs now: the one at work, then those that wait for it."""
        with self._lock:
            return [live for live in self._going().values() if live.call.session == session]

    def refused(self, session: str) -> list[Live]:
        """What was said in a session lately and led to no turn: refused at the door, or cancelled before it began."""
        with self._lock:
            lives = [live for live in self._lives.values() if live.call.session == session and live.call.plan is None]
            return [live for live in lives if live.over and not live.turn and not live.held]

    def revive(self, session: str) -> list[Live]:
        """Go on with what a process that is gone has left unfinished, and follow what the engine has of others.

        Plans that wait for approval are left alone.
        """
        mine = {name for live in self.running(session) for name in (live.call.request_id, live.turn)}
        open_ones = turns.open_turns(self.assistant.store, session)
        left = [turn for turn in open_ones if abandoned(turn) or turns.in_queue(turn)]
        return [
            self.start(Call(session, "", branch=turn.branch, request_id=turn.request_id))
            for turn in left
            if turn.request_id not in mine
        ]

    def cancel(self, session: str, request_id: str) -> None:
        """Ask a turn to stop, whoever runs it; what has not begun here never does. NotFound where there is none."""
        with self._lock:
            live = self._going().get(request_id)
            ours = live is not None and live.call.session == session
            if live is not None and ours:
                ended = {} if live.began else {"finished": _stopped(live.call)}
                self._set(request_id, cancelled=True, **ended)
        try:
            turns.cancel(self.assistant.store, session, (live.turn if live and ours else "") or request_id)
        except NotFound:
            if not ours:
                raise

    def rest(self, seconds: float) -> bool:
        """Begin no more turns and wait for those at work; False where one still is after so long.

        What was said and has led to no turn yet is told in its conversation, to be said again.
        """
        with self._lock:
            self._resting = True
            quiet = self._lock.wait_for(lambda: not any(live.began for live in self._going().values()), seconds)
            left = list(self._going().values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for live in left:
            self._give_back(live.call)
        return quiet

    # The line before a session

    def _going(self) -> dict[str, Live]:
        """Every turn that is not over, oldest first; the lock is held."""
        return {name: live for name, live in self._lives.items() if not live.over}

    def _line_up(self, call: Call) -> None:
        line = self._lines.setdefault(call.session, deque())
        line.append(call.request_id)
        if len(line) == 1:
            self._pool.submit(self._serve, call.session)

    def _serve(self, session: str) -> None:
        """Run the first call of a session's line, and let the next one step up."""
        line = self._lines[session]
        self._sit_down(line[0])
        call = self._step_up(line[0])
        if call is not None:
            self._run(call)
        self._stand_up(line[0])
        with self._lock:
            line.popleft()
            if not line:
                del self._lines[session]
            elif not self._resting:
                self._pool.submit(self._serve, session)

    def _sit_down(self, request_id: str) -> None:
        self._seats.acquire()
        self._seated.add(request_id)

    def _stand_up(self, request_id: str) -> None:
        """Leave the seat to another, at the end or before; a second time does nothing."""
        if request_id in self._seated:
            self._seated.remove(request_id)
            self._seats.release()

    def _step_up(self, request_id: str) -> Call | None:
        """A call whose turn it is now, as its tab would send it now; None where it was cancelled while it waited."""
        with self._lock:
            live = self._going().get(request_id)
            if live is None or self._resting:
                return None
            self._set(request_id, began=True)
            before = self._lives.get(live.call.after)
            end = before.finished if before is not None else None
            if end is None:
                return live.call
            moved = end.state == "done" and end.revisions
            focus = replace(live.call.focus, revision=None) if moved else live.call.focus
            return replace(live.call, branch=end.branch, focus=focus)

    def _give_back(self, call: Call) -> None:
        """A message that came too late, in the conversation."""
        store, again = self.assistant.store, f"The page was stopped before I came to this: “{call.text}”. Say it again."
        try:
            if call.text and turns.find(store, call.session, call.request_id) is None:
                turns.say(store, call.session, call.branch or "main", again)
        except PentimentoError:
            log.exception("%r was never begun", call.text)

    # One turn

    def _run(self, call: Call) -> None:
        """One call to its end, whatever that is."""
        try:
            self._turn(call)
        except PentimentoError as error:
            cancelled = self._lives[call.request_id].cancelled
            self._set(call.request_id, **({"finished": _stopped(call)} if cancelled else {"error": error}))
        except Exception:
            log.exception("turn %s failed", call.request_id)
            broken = StorageError("Something broke on our side; what was done before is kept.", "Send it again.")
            self._set(call.request_id, error=broken)

    def _turn(self, call: Call) -> None:
        assistant = self._assistant(call)
        message = (call.session, call.text, call.files, call.request_id, call.branch, call.focus)
        if call.hold and _to_approve(turn := assistant.propose(*message)):
            with self._lock:
                cancelled = self._lives[call.request_id].cancelled
                self._set(call.request_id, held=not cancelled)
            if cancelled:
                self._close(call, turn)
            return
        for event in assistant.turn(*message):
            self._update(call.request_id, event)
            if isinstance(event, Planned) and event.elsewhere:
                self._stand_up(call.request_id)
            if isinstance(event, Planned) and self._lives[call.request_id].cancelled:
                self._close(call, turns.get(assistant.store, call.session, event.request_id))
                return

    def _assistant(self, call: Call) -> Assistant:
        planner = Given(call.plan) if call.plan is not None else self.planners.get(call.planner)
        return self.assistant if planner is None else Assistant(self.assistant.store, planner)

    def _close(self, call: Call, turn: Turn) -> None:
        """End a turn that was cancelled before there was a row to say so."""
        turns.finish(self.assistant.store, turn, "cancelled", {"reply": STOPPED}, STOPPED)
        self._set(call.request_id, finished=_stopped(call))

    def _update(self, request_id: str, event: Event) -> None:
        live = self._lives[request_id]
        match event:
            case Planned(request_id=turn, plan=plan):
                self._set(request_id, turn=turn, plan=plan)
            case Queued(before=before):
                self._set(request_id, queued=before)
            case Working(index=index, fraction=fraction, preview=preview):
                first = index if live.first is None else live.first
                seen = {} if preview is None else {"preview": preview, "look": live.look + 1, "step": index}
                self._set(request_id, queued=0, first=first, index=index, fraction=fraction, **seen)
            case Committed(revision=revision):
                made = (*live.made, revision.id)
                overtaken = (live.first or 0) + len(made) > live.step
                self._set(request_id, made=made, preview=None if overtaken else live.preview)
            case Asked():
                self._asked(live.call.session, live.turn, event)
            case Exported():
                self._set(request_id, files=(*live.files, event))
            case Refused():
                self._set(request_id, refused=event)
            case Finished():
                self._set(request_id, finished=event)

    def _set(self, request_id: str, **changes: object) -> None:
        with self._lock:
            live = replace(self._lives[request_id], **changes)  # type: ignore[arg-type]
            self._lives[request_id] = _lightened(live) if live.over else live
            self._lock.notify_all()

    def _drop_oldest(self) -> None:
        """Forget the oldest ended turns; the lock is held."""
        over = [name for name, live in self._lives.items() if live.over]
        for name in over[: max(0, len(over) - REMEMBERED)]:
            del self._lives[name]


def _lightened(live: Live) -> Live:
    """What tabs need of an ended turn: of its files the names, and no preview."""
    names = tuple((name, b"") for name, _ in live.call.files)
    return replace(live, call=replace(live.call, files=names), preview=None)


def _stopped(call: Call) -> Finished:
    return Finished("cancelled", STOPPED, call.branch or "main")


def _to_approve(turn: Turn) -> bool:
    """Whether there is something to approve: an answer, a question, a reply and a command alone run at once."""
    plan = Plan.of(turn) if turn.plan else Plan()
    return turn.state == "planned" and "held" in turn.outcome and bool(plan.steps) and plan.ask is None
