"""Runs the steps of a checked plan: work out each step, commit its result, go on from the pixels in memory.

A step's result is committed by a writer thread while the next step already works on the pixels in memory; what is
committed is reported in order. Decides nothing: which tools, which bases and where is in the plan.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from agent import drift, latents, others, selfcheck, superseding, telling
from agent.events import Committed, Event, Forked, Working
from agent.laying import Past
from agent.others import Other
from agent.plan import PREV, PlanStep
from agent.stepping import Job, Result, guarded, measured, shelf_for, work
from sessions import commits, history, turns, uploads
from sessions.commits import Claim, Draft
from sessions.errors import BadArguments, Cancelled, EditError, HeadMoved, NotFound, PentimentoError, TurnBusy
from sessions.identity import REVISION_PREFIX, seed_for
from sessions.moves import branch_name
from sessions.store import Store
from sessions.tiles import Tiled
from sessions.values import Json, Picture, Pixels, Revision, Step, Turn

T = TypeVar("T")

BEAT_SECONDS = 5.0
LOOK_SECONDS = 0.05
"""How often the runner says that it lives, and how often it looks whether it shall stop."""


@dataclass(frozen=True)
class Landed:
    """A durable revision: its tiles make the next commit cheap; `branch` is where it was put, None if it was there."""

    revision: Revision
    tiled: Tiled
    branch: str | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Start:
    """Where a step begins: pixels in memory now, and the revision they are or are about to become.

    `fed`: the earlier revision whose pixels a step is given instead, where it is done instead of another.
    """

    picture: Picture
    landed: Future[Landed]
    fed: str | None = None


class Run:
    """One turn being run by this process, which holds its lease."""

    def __init__(self, store: Store, turn: Turn, holder: str) -> None:
        self.store = store
        self.turn = turn
        self.holder = holder
        self.made: list[Revision] = []
        self.branch = turn.branch
        self._beaten = self._looked = float("-inf")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="writer")

    def steps(self, steps: tuple[PlanStep, ...]) -> Generator[Event, None, None]:
        """Run what the turn has not run yet. Yields Working, Forked and Committed; raises what stopped it."""
        pending: list[Future[Landed]] = []
        before: Start | None = None
        try:
            for index in range(self.turn.next_step, len(steps)):
                if before is None and index > 0:
                    before = self._load(turns.revisions(self.store, self.turn)[index - 1])
                start = self._start(steps[index], before)
                result, start = yield from self._done(index, steps[index], start, before, pending)
                landing = self._writer.submit(self._commit, index, result, start, before)
                pending.append(landing)
                before = Start(result.edit.image, landing)
        except PentimentoError:
            yield from self._settle_all(pending)
            raise
        else:
            yield from self._settle_all(pending)
        finally:
            self._writer.shutdown(wait=True, cancel_futures=True)

    # One step

    def _start(self, step: PlanStep, before: Start | None) -> Start:
        """The picture a step begins with: the one that the step before made, or the named one from the store."""
        if before is not None and step.base in (None, PREV):
            return before
        if step.base is None:
            raise NotFound("There is no picture to edit yet.", "Attach a photo, or: pentimento new PHOTO")
        if step.base.startswith(REVISION_PREFIX):
            return self._load(step.base)
        asset = self.store.asset(self.turn.session, step.base)
        wanted = branch_name(asset.name, "photo")
        revision, branch = uploads.root(self.store, self.turn.session, asset, wanted, self.turn.request_id)
        return self._load(revision.id, branch)

    def _load(self, revision: str, branch: str | None = None) -> Start:
        found = self.store.revision(self.turn.session, revision)
        picture, tiled = self.store.picture_and_tiles(self.turn.session, found.image)
        landed: Future[Landed] = Future()
        landed.set_result(Landed(found, tiled, branch))
        return Start(picture, landed)

    def _done(
        self, index: int, step: PlanStep, start: Start, before: Start | None, pending: list[Future[Landed]]
    ) -> Generator[Event, None, tuple[Result, Start]]:
        """One step, also where it is done instead of an earlier one; what it needs of the past is read once."""
        job = self._job(index, step, start, before)
        if job.shelf is None and step.replaces is None:
            return (yield from self._watched(work(index, job), pending)), start
        here = start.landed.result().revision
        past = Past(self.store, history.graph(self.store, self.turn.session))
        if step.replaces is None:
            job = yield from self._watched(_going_on(index, job, past, here), pending)
            return (yield from self._watched(_checked(index, job), pending)), start
        instead = superseding.instead_of(past.graph, here, step.replaces)
        job = replace(job, picture=past.load(instead.base.image)[0])
        job = yield from self._watched(_going_on(index, job, past, instead.base), pending)
        result = yield from self._watched(superseding.done(index, past, instead, here, job), pending)
        return result, replace(start, fed=instead.base.id)

    def _job(self, index: int, step: PlanStep, start: Start, before: Start | None) -> Job:
        """A step with everything that it works on."""
        subjects, sounds = others.apart(self._subject(name, before) for name in step.subjects)
        shelf = shelf_for(step.tool, self.store.home)
        return Job(step, start.picture, subjects, self._brush(step), self._seed(index, step), shelf, sounds=sounds)

    def _watched(self, steps: Generator[Working, None, T], pending: list[Future[Landed]]) -> Generator[Event, None, T]:
        """Work on one step; reports earlier commits as they land and stops at the first yield after a cancel."""
        with guarded("go on"), closing(steps) as working:
            try:
                while True:
                    now = next(working)
                    while pending and pending[0].done():
                        yield from self._settle(pending.pop(0))
                    yield now
                    self.check_in()
            except StopIteration as end:
                result: T = end.value
        return result

    def _seed(self, index: int, step: PlanStep) -> int:
        return seed_for(self.turn.request_id, index) if step.seed is None else step.seed

    def _brush(self, step: PlanStep) -> Pixels | None:
        """The mask (h, w) that was drawn for a step, if its region is one; BadArguments where it names a photo."""
        name = (step.region or {}).get("mask")
        if not name:
            return None
        brush = self.store.picture(self.turn.session, name)
        if brush.mode != "L":
            raise BadArguments("What shall mark the place is a photo, not a mask.", "Paint over it with the brush.")
        return brush.pixels

    def _subject(self, name: str, before: Start | None) -> Other:
        """What else a step works with: what the step before made, a revision, or an asset, perhaps a sound."""
        if name == PREV and before is not None:
            return before.picture
        return others.other(self.store, self.turn.session, name)

    def check_in(self) -> None:
        """At a tool's yields: stop if somebody said so, and now and then say that we live."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if now - self._beaten > BEAT_SECONDS:
            self._beaten = now
            go_on = turns.beat(self.store, self.turn.session, self.turn.request_id, self.holder)
        else:
            go_on = not turns.cancel_asked(self.store, self.turn.session, self.turn.request_id)
        if go_on:
            return
        if turns.cancel_asked(self.store, self.turn.session, self.turn.request_id):
            raise Cancelled("Stopped. Nothing of the step that was running is kept.")
        raise TurnBusy("Another process is continuing this turn.", "Wait for it, or look at the log.")

    # The writer thread

    def _commit(self, index: int, result: Result, start: Start, before: Start | None) -> Landed:
        """Make one result durable on its branch, after the step it follows."""
        base = start.landed.result()
        prev = before.landed.result().revision.id if before is not None else PREV
        like = (start.picture, base.tiled)
        kept = self.store.keep(self.turn.session, result.edit.image, result.edit.mask, like)
        step = Step(
            tool=result.tool.name,
            tool_version=result.tool.version,
            args=result.args,
            base=start.fed or base.revision.id,
            subjects=tuple(prev if name == PREV else name for name in result.step.subjects),
            region=result.region,
            seed=result.seed,
        )
        draft = Draft(
            kept=kept,
            parents=(base.revision.id,),
            step=step,
            geometry=result.edit.geometry,
            source="edit" if result.step.seed is None else "replay",
            claim=Claim(self.turn.request_id, index, self.holder),
            turn=self.turn.request_id,
            made_with=result.made_with,
            facts=self._facts(result, start, base.revision) | {"bytes": kept.bytes},
        )
        wanted = telling.name_for(step.tool, step.args)
        revision, branch, forked = self._place(draft, base, wanted)
        self.branch = branch
        self._keep_latent(result, revision)
        return Landed(revision, kept.image, branch, (*forked, Committed(revision, branch)))

    def _keep_latent(self, result: Result, revision: Revision) -> None:
        """So that the next step may go on from it; weights that have gone meanwhile take nothing of this one."""
        shelf = shelf_for(result.tool.name, self.store.home)
        if shelf is not None:
            with suppress(EditError):
                latents.keep(shelf, revision, result.edit.latent)

    def _facts(self, result: Result, start: Start, parent: Revision) -> Json:
        """What is told about a result: what the step says, what it changed, and how far all this is from the photo."""
        edit = result.edit
        return (
            result.facts | measured(start.picture, edit) | drift.measured(self.store, parent, edit.image, edit.geometry)
        )

    def _place(self, draft: Draft, base: Landed, wanted: str) -> tuple[Revision, str, tuple[Event, ...]]:
        """On the branch whose head the base is (ours first); otherwise, or when the head moved, on a new branch."""
        session, here = self.turn.session, base.revision
        heads = {b.name: b.head for b in history.branches(self.store, session)}
        for branch in (base.branch or self.branch, *sorted(heads)):
            if heads.get(branch) == here.id:
                try:
                    return commits.append(self.store, session, branch, draft, here.id), branch, ()
                except HeadMoved:
                    continue
        revision, branch = commits.append_on_new_branch(self.store, session, wanted, draft)
        return revision, branch, (Forked(branch, here),)

    def _settle_all(self, pending: list[Future[Landed]]) -> Iterator[Event]:
        """Wait for what is on its way to the disk: steps that were finished count, whatever comes after."""
        while pending:
            yield from self._settle(pending.pop(0))

    def _settle(self, landing: Future[Landed]) -> Iterator[Event]:
        landed = landing.result()
        self.made.append(landed.revision)
        yield from landed.events


def _checked(index: int, job: Job) -> Generator[Working, None, Result]:
    """The step, once more with another seed where it does not look as its planner expected; the better of both."""
    result = yield from work(index, job)
    expected = selfcheck.parsed(job.step.expected)
    if expected is None or job.shelf is None:
        return result
    first = selfcheck.likeness(job.shelf, expected, result.edit.image)
    if first is None or first >= expected.least or job.step.seed is not None:
        return _told(result, first, 1)
    try:
        second = yield from work(index, replace(job, seed=job.seed + selfcheck.AGAIN))
    except Cancelled:
        raise
    except EditError:
        return _told(result, first, 2)
    again = selfcheck.likeness(job.shelf, expected, second.edit.image)
    return _told(second, again, 2) if again is not None and again > first else _told(result, first, 2)


def _told(result: Result, likeness: float | None, tries: int) -> Result:
    if likeness is None:
        return result
    return replace(result, facts=result.facts | {"as_expected": round(likeness, 3), "tries": tries})


def _going_on(index: int, job: Job, past: Past, fed: Revision) -> Generator[Working, None, Job]:
    """The job with what its picture, that of `fed`, was decoded from, where a tool with weights may go on from that."""
    if job.shelf is None:
        return job
    latent = yield from latents.latent_of(index, past, fed, job.step.tool)
    return replace(job, latent=latent, familiar=latents.familiar(job.shelf, past.graph, fed, job.step.tool))
