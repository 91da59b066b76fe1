"""One turn, from a message to its revisions, top to bottom. Every face drives this and nothing else.

Raises a PentimentoError where nothing was stored (a refused file, an unknown session); from the moment a turn is
stored, what goes wrong is stored with it, yielded as `Refused`, and the next turn works.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from agent import asking, commands, following, journal, planning, telling
from agent.events import Asked, Compared, Event, Exported, Finished, Moved, Planned, Refused, Working
from agent.executor import Run
from agent.plan import Ask, Plan, Planner
from agent.planning import Focus, Wish, failure
from agent.stepping import guarded
from sessions import history, intake, uploads
from sessions import turns as stored
from sessions.errors import Cancelled, EditError, PentimentoError, TurnBusy, Unsure
from sessions.identity import new_id
from sessions.lineage import LEFT_OUT
from sessions.store import Store
from sessions.values import Asset, Json, Revision, Session, Turn, TurnState

Upload = tuple[str, bytes]
"""A file as a face received it: its name (words for people, nothing more) and its bytes."""

Told = Moved | Compared | Exported
"""What a command did, with a sentence about it."""

EVERYTHING = Focus()
"""The branch's head, and no place marked on it."""


class Assistant:
    """What a message does: plan, store the plan, run it, and say what came of it."""

    def __init__(self, store: Store, planner: Planner) -> None:
        self.store = store
        self.planner = planner

    def new(self, upload: Upload, request_id: str | None = None) -> tuple[Session, Revision]:
        """A session that begins with one photo; its branch is `main`."""
        name, data = upload
        admitted = intake.admit(data, name)
        session = self.store.create_session(name, request_id)
        asset = uploads.receive(self.store, session.id, admitted, name)
        graph = history.graph(self.store, session.id)
        if graph.head is not None:
            return session, graph.head
        return session, uploads.root(self.store, session.id, asset, "main")[0]

    def preview(self, session: str, text: str, files: Sequence[Upload] = (), branch: str | None = None) -> Plan:
        """The plan of a message, checked, with nothing run and no turn stored."""
        text = self._checked(text, files)
        graph = history.graph(self.store, session)
        context = planning.seen(self.store, graph, branch, self._receive(session, files))
        plan = self.planner.plan(text, context) if text else planning.wordless(self.planner, context)
        return planning.checked(self.store, plan, graph, context)

    def turn(
        self,
        session: str,
        text: str,
        files: Sequence[Upload] = (),
        request_id: str | None = None,
        branch: str | None = None,
        focus: Focus = EVERYTHING,
    ) -> Iterator[Event]:
        """Everything that a message leads to. The same request_id again goes on where it stopped, and never twice."""
        turn = self._begin(Wish(session, text, request_id or new_id(), branch, focus), files)
        if "answers" in turn.outcome:
            turn = planning.answered(self.store, turn)
        plan = Plan.of(turn)
        going = turn.state in ("planned", "running")
        elsewhere = going and following.needed(self.store, turn, plan)
        yield Planned(turn.request_id, plan, elsewhere)
        if elsewhere:
            yield from self._follow(turn, plan)
        elif going:
            yield from self._run(turn, plan)
        elif turn.state == "waiting":
            yield from self._asked(turn, plan)
        else:
            yield from self._ended(turn)

    def propose(
        self,
        session: str,
        text: str,
        files: Sequence[Upload] = (),
        request_id: str | None = None,
        branch: str | None = None,
        focus: Focus = EVERYTHING,
    ) -> Turn:
        """Plan and store a message, run nothing: `amend` may change the plan, `turn` with its request_id runs it."""
        return self._begin(Wish(session, text, request_id or new_id(), branch, focus, hold=True), files)

    def amend(self, session: str, request_id: str, plan: Plan) -> Turn:
        """Put the plan as the person has changed it in place of the stored one; PlanError where it does not fit."""
        return planning.amend(self.store, stored.get(self.store, session, request_id), plan)

    def _begin(self, wish: Wish, files: Sequence[Upload]) -> Turn:
        text = self._checked(wish.text, files)
        found = stored.find(self.store, wish.session, wish.request_id)
        if found is not None:
            return found
        wish = replace(wish, text=text, attachments=self._receive(wish.session, files))
        return planning.begin(self.store, self.planner, wish)

    def _checked(self, text: str, files: Sequence[Upload]) -> str:
        intake.check_attachments(len(files))
        return intake.check_message(text)

    def _receive(self, session: str, files: Sequence[Upload]) -> tuple[Asset, ...]:
        admitted = [(intake.admit(data, name), name) for name, data in files]
        return tuple(uploads.receive(self.store, session, one, name) for one, name in admitted)

    # Running

    def _run(self, turn: Turn, plan: Plan) -> Iterator[Event]:
        if plan.ask is not None:
            turn = stored.wait(self.store, turn, turn.plan, _question(plan.ask))
            yield from self._asked(turn, plan)
            return
        if plan.chat is not None:
            if plan.refused is not None:
                yield Refused(plan.refused, plan.chat)
            yield self._finish(turn, "refused", {}, plan.chat, turn.branch)
            return
        gone = turn.lease is not None and _gone(turn.lease)
        yield from self.carry_out(turn, turn.lease if gone else None)

    def carry_out(self, turn: Turn, gone: str | None) -> Generator[Event, None, None]:
        """Run a stored turn in this process, whatever it needs; the engine comes in here.

        `gone`: a holder of its lease that is known to live no more. TurnBusy where any other holds it.
        """
        holder = f"{socket.gethostname()}/{os.getpid()}/{new_id()}"
        taken = stored.take(self.store, turn.session, turn.request_id, holder, gone or "")
        yield from self._hold(taken, Plan.of(taken), holder)

    def _follow(self, turn: Turn, plan: Plan) -> Iterator[Event]:
        """A turn that needs weights: the engine of the data folder runs it, and here is told what it does."""
        try:
            turn = yield from following.follow(self.store, turn, plan)
        except EditError as error:
            turn = stored.get(self.store, turn.session, turn.request_id)
            state: TurnState = "failed" if stored.revisions(self.store, turn) else "refused"
            yield Refused(error.code, error.message, error.hint)
            yield self._finish(turn, state, {"error": failure(error)}, str(error), turn.branch)
            return
        yield from self._asked(turn, Plan.of(turn)) if turn.state == "waiting" else self._ended(turn)

    def _hold(self, turn: Turn, plan: Plan, holder: str) -> Iterator[Event]:
        """Run a turn whose lease we hold, and close it whatever happens."""
        run = Run(self.store, turn, holder)
        before: list[Told] = []
        later: list[Told] = []
        asked: Asked | None = None
        place = self.store, turn.session
        try:
            with guarded("go on"):
                if plan.command is not None and turn.next_step == 0:
                    first = commands.run(*place, run.branch, plan.command, turn.request_id, holder)
                    asked = yield from self._command(first, run, before)
                if asked is None:
                    with closing(run.steps(plan.steps)) as steps:
                        yield from steps
                    last = commands.after(*place, run.branch, plan, turn.request_id)
                    yield from self._command(last, run, later)
        except Unsure as unsure:
            yield from self._unsure(turn, plan, run, unsure)
        except PentimentoError as error:
            yield from self._stopped(turn, plan, run, error)
        except (GeneratorExit, KeyboardInterrupt):
            stored.finish(self.store, turn, "cancelled", {"reply": _STOPPED}, _STOPPED)
            raise
        else:
            if asked is not None:
                yield from self._wait(turn, plan, run, asked)
                return
            yield self._finish(turn, "done", _files([*before, *later]), _reply(before, run, later), run.branch)

    def _command(
        self, going: Generator[Event, None, None], run: Run, told: list[Told]
    ) -> Generator[Event, None, Asked | None]:
        """Carry out what comes before or after the steps, and note what it came to; the question it ends in, if any."""
        with closing(going) as events:
            for event in events:
                if isinstance(event, Asked):
                    return event
                if isinstance(event, Moved):
                    run.branch = stored.get(self.store, run.turn.session, run.turn.request_id).branch
                if isinstance(event, Moved | Compared | Exported):
                    told.append(event)
                yield event
                if isinstance(event, Working):
                    run.check_in()
        return None

    def _stopped(self, turn: Turn, plan: Plan, run: Run, error: PentimentoError) -> Iterator[Event]:
        """A plan that fails at step 3 keeps steps 1 and 2 and says what happened."""
        yield Refused(error.code, error.message, error.hint)
        state: TurnState = "cancelled" if isinstance(error, Cancelled) else "failed" if run.made else "refused"
        kept = f"{telling.done(run.made, run.branch)} Then it stopped: " if run.made else ""
        yield self._finish(turn, state, {"error": failure(error)}, f"{kept}{error}", run.branch)

    def _unsure(self, turn: Turn, plan: Plan, run: Run, unsure: Unsure) -> Iterator[Event]:
        """Show the mask and ask; yes goes on at that step with it."""
        index = stored.get(self.store, turn.session, turn.request_id).next_step
        doubtful = plan.model_copy(update={"confidence": unsure.confidence})
        yield from self._wait(turn, doubtful, run, asking.doubt(unsure, index))

    def _wait(self, turn: Turn, plan: Plan, run: Run, asked: Asked) -> Iterator[Event]:
        """Store the question with the plan, ask it, and let the turn wait, on the branch where it now stands."""
        question, asking_plan = _question(asked.ask), plan.model_copy(update={"ask": asked.ask}).to_json()
        if stored.QUEUED in turn.outcome:
            journal.keep(self.store, turn, asking_plan, asked)
        try:
            waiting = stored.wait(self.store, turn, asking_plan, question)
        except TurnBusy as busy:
            yield from self._stopped(turn, plan, run, busy)
            return
        yield asked
        yield Finished("waiting", question, waiting.branch, tuple(r.id for r in run.made))

    # What a face is told

    def _asked(self, turn: Turn, plan: Plan) -> Iterator[Event]:
        if plan.ask is not None:
            yield asking.again(self.store, turn)
            yield Finished("waiting", _question(plan.ask), turn.branch, tuple(stored.revisions(self.store, turn)))

    def _finish(self, turn: Turn, state: TurnState, outcome: Json, reply: str, branch: str) -> Finished:
        """Close the turn and tell how it stands: what another runner has taken over is not ours to close."""
        made = tuple(stored.revisions(self.store, turn))
        outcome = outcome | {"reply": reply, "branch": branch}
        now = stored.finish(self.store, turn, state, outcome, reply)
        return Finished(now.state, reply, branch, made)

    def _ended(self, turn: Turn) -> Iterator[Event]:
        """A turn that has ended already, told again."""
        if error := turn.outcome.get("error"):
            yield Refused(error["code"], error["message"], error["hint"])
        for file in turn.outcome.get("files", ()):
            yield Exported(self.store.revision(turn.session, file["revision"]), file["options"], file["sentence"])
        stopped = _STOPPED if turn.state == "cancelled" else ""
        reply, branch = turn.outcome.get("reply", stopped), turn.outcome.get("branch", turn.branch)
        yield Finished(turn.state, reply, branch, tuple(stored.revisions(self.store, turn)))


_STOPPED = "Stopped. Nothing of the step that was running is kept."


def _reply(before: Sequence[Told], run: Run, later: Sequence[Told]) -> str:
    """What a turn came to: what its commands did, and between them its steps."""
    stood = run.turn.branch if not before and _opened(run) else ""
    start = run.store.revision(run.turn.session, run.made[0].parents[0]).seq if stood and run.made else 0
    steps = [telling.done(run.made, run.branch, stood, start)] if run.made or not (before or later) else []
    return " ".join(
        [*(event.sentence for event in before), *steps, *_instead(run), *(event.sentence for event in later)]
    )


def _instead(run: Run) -> Iterator[str]:
    """That earlier steps are not in the picture any more: a wish said again replaces them without being told to."""
    gone = [name for made in run.made for name in made.facts.get(LEFT_OUT, ())]
    if gone:
        numbers = ", ".join(f"#{run.store.revision(run.turn.session, name).seq}" for name in gone)
        yield f"This is instead of {numbers}; undo brings that back."


def _opened(run: Run) -> bool:
    """Whether the branch that a turn ended on is one it opened: it may be another that stood there, or be renamed."""
    mine = history.moves(run.store, run.turn.session, turn=run.turn.request_id)
    return any(move.kind in ("branch", "root") and move.branch == run.branch for move in mine)


def _files(told: Sequence[Told]) -> Json:
    """The files that were asked for, to be told again if the turn is sent again."""
    files = [
        {"revision": event.revision.id, "options": event.options, "sentence": event.sentence}
        for event in told
        if isinstance(event, Exported)
    ]
    return {"files": files} if files else {}


def _question(ask: Ask) -> str:
    """A question as text, its candidates numbered."""
    choices = "; ".join(f"{place}: {c.label}" for place, c in enumerate(ask.candidates, start=1))
    return f"{ask.question} ({choices})" if choices else ask.question


def abandoned(turn: Turn) -> bool:
    """Whether nobody is there any more to do what was begun; a plan that is held for approval is not abandoned."""
    if turn.state == "planned":
        return "held" not in turn.outcome and _age(turn.created_at) > stored.LEASE_SECONDS
    if turn.state != "running":
        return False
    silent = time.time() - (turn.heartbeat or 0) > stored.LEASE_SECONDS
    return silent or turn.lease is None or _gone(turn.lease)


def _age(created_at: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds()


def _gone(lease: str) -> bool:
    """Whether the holder of a lease was a process of this machine that does not live."""
    host, _, rest = lease.partition("/")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(rest.split("/")[0]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
