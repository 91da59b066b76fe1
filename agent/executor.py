"""Runs the steps of a checked plan: ground the region, run the tool, put the other pixels back, commit, go on.

A step's result is committed by a writer thread while the next step already works on the pixels in memory; what is
committed is reported in order. Decides nothing: which tools, which bases and where is in the plan.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent import telling
from agent.events import Committed, Event, Forked, Working
from agent.plan import PREV, PlanStep
from agent.turns import arguments_of, region_of
from sessions import commits, history, turns, uploads
from sessions.commits import Claim, Draft
from sessions.errors import Cancelled, HeadMoved, PentimentoError, ToolFailed, Unsure
from sessions.identity import REVISION_PREFIX, seed_for
from sessions.moves import branch_name
from sessions.store import Store
from sessions.tiles import Tiled
from sessions.values import IDENTITY, Json, Picture, Pixels, Region, Revision, Step, Turn
from tools import registry
from tools.base import Edit, EditContext, EditResult, Progress, Tool
from tools.pixels import composite, marked, shrink

if TYPE_CHECKING:
    from tools.regions import Grounding

log = logging.getLogger(__name__)

PREVIEW = 1024
"""Longest side of the previews that faces are shown, in pixels."""

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
    """Where a step begins: pixels in memory now, and the revision they are or are about to become."""

    picture: Picture
    landed: Future[Landed]


@dataclass(frozen=True)
class Result:
    """A step's outcome before it is durable."""

    step: PlanStep
    args: Json
    region: Region | None
    tool: Tool
    edit: EditResult
    facts: Json


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
                start = self._start(steps[index], index, before)
                result = yield from self._work(index, steps[index], start.picture, pending)
                landing = self._writer.submit(self._commit, index, result, start)
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

    def _start(self, step: PlanStep, index: int, before: Start | None) -> Start:
        """The picture a step begins with: the one in memory, or the named one from the store."""
        if step.base is None or step.base == PREV:
            return before or self._load(turns.revisions(self.store, self.turn)[index - 1])
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

    def _work(
        self, index: int, step: PlanStep, base: Picture, pending: list[Future[Landed]]
    ) -> Generator[Event, None, Result]:
        """Ground, run, composite; reports earlier commits as they land and stops at the first yield after a cancel."""
        began = time.perf_counter()
        tool = registry.get(step.tool)
        args = arguments_of(tool, step.args)
        region = region_meant(step, tool)
        yield Working(index, step, 0.0)
        self._check_in()
        mask, facts = yield from self._ground(index, step, base, region)
        seed = seed_for(self.turn.request_id, index)
        context = EditContext(base, mask, self._subjects(step), seed)
        running = guarded(tool, tool.run(context, tool.args.model_validate(args)))
        with closing(running):
            while (progress := next(running, None)) is not None and not isinstance(progress, EditResult):
                while pending and pending[0].done():
                    yield from self._settle(pending.pop(0))
                yield Working(index, step, progress.fraction, progress.preview)
                self._check_in()
        edit = finished(base, progress, mask)
        self._check_in()  # whoever said stop after the tool's last yield shall not find the step kept
        yield Working(index, step, 1.0, Picture(shrink(edit.image.pixels, PREVIEW)))
        return Result(step, args, region, tool, edit, facts | {"seconds": round(time.perf_counter() - began, 3)})

    def _ground(
        self, index: int, step: PlanStep, picture: Picture, region: Region | None
    ) -> Generator[Event, None, tuple[Pixels | None, Json]]:
        """The mask of a region; Unsure, with the mask to show, when it is not certain and nobody has confirmed it."""
        if region is None:
            return None, {}
        from tools import regions  # pulls in scikit-image, which whole-picture steps need not wait for

        brush = self.store.picture(self.turn.session, region.mask).pixels if region.mask else None
        search = regions.ground_steps(picture, region, brush)
        try:
            while True:
                next(search)
                yield Working(index, step, 0.0)
                self._check_in()
        except StopIteration as end:
            found: Grounding = end.value
        if found.confidence < regions.SURE and not step.confirmed:
            raise Unsure(
                f"I am not sure where {telling.place(region)!r} is; this is what I would change.",
                "Say yes to use it, or mark the place with a box or the brush.",
                found.confidence,
                found.mask,
                marked(Picture(shrink(picture.pixels, PREVIEW)), shrink(found.mask, PREVIEW)),
            )
        return found.mask, {"region": found.label, "confidence": round(found.confidence, 3)}

    def _subjects(self, step: PlanStep) -> tuple[Picture, ...]:
        def load(reference: str) -> Picture:
            if reference.startswith("r1:"):
                reference = self.store.revision(self.turn.session, reference).image
            return self.store.picture(self.turn.session, reference)

        return tuple(load(reference) for reference in step.subjects)

    def _check_in(self) -> None:
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
        if not go_on:
            raise Cancelled("Stopped. Nothing of the step that was running is kept.")

    # The writer thread

    def _commit(self, index: int, result: Result, start: Start) -> Landed:
        """Make one result durable on its branch, after the step it follows."""
        base = start.landed.result()
        like = (start.picture, base.tiled)
        kept = self.store.keep(self.turn.session, result.edit.image, result.edit.mask, like)
        step = Step(
            tool=result.tool.name,
            tool_version=result.tool.version,
            args=result.args,
            base=base.revision.id,
            subjects=result.step.subjects,
            region=result.region,
            seed=seed_for(self.turn.request_id, index),
        )
        draft = Draft(
            kept=kept,
            parents=(base.revision.id,),
            step=step,
            geometry=result.edit.geometry,
            claim=Claim(self.turn.request_id, index, self.holder),
            turn=self.turn.request_id,
            made_with={"device": "cpu", "weights": list(result.tool.weights)},
            facts=result.facts | measured(start.picture, result.edit) | {"bytes": kept.bytes},
        )
        wanted = telling.name_for(step.tool, step.args.get("tone"))
        revision, branch, forked = self._place(draft, base, wanted)
        self.branch = branch
        return Landed(revision, kept.image, branch, (*forked, Committed(revision, branch)))

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


def region_meant(step: PlanStep, tool: Tool) -> Region | None:
    """The region that a step names, or the one that its tool usually works on."""
    if step.region is not None:
        return region_of(step.region)
    return Region(words=tool.usual) if tool.usual else None


def guarded(tool: Tool, edit: Edit) -> Generator[Progress | EditResult, None, None]:
    """A tool's progress and, last, its result; whatever it raises that is not ours becomes a sentence."""
    try:
        yield (yield from edit)
    except PentimentoError:
        raise
    except MemoryError as error:
        raise ToolFailed(f"There is not enough memory to {tool.name} this picture.", "Resize it first.") from error
    except Exception as error:
        log.exception("tool %s %s failed", tool.name, tool.version)
        raise ToolFailed(f"The tool {tool.name} failed ({type(error).__name__}); nothing was changed.") from error


def finished(base: Picture, edit: object, mask: Pixels | None) -> EditResult:
    """The promise about untouched pixels: where the tool's mask (or the region's) is 0, the base's bits stand."""
    if not isinstance(edit, EditResult):
        raise ToolFailed("A tool ended without a result; nothing was changed.")
    where = edit.mask if edit.mask is not None else mask
    if where is None or edit.geometry != IDENTITY or edit.image.size != base.size:
        return edit if edit.geometry == IDENTITY else replace(edit, mask=None)
    image = composite(with_mode(base, edit.image.mode), edit.image, where)
    return replace(edit, image=image, mask=where)


def with_mode(picture: Picture, mode: str) -> Picture:
    """The picture with an opaque alpha plane added where `mode` asks for one."""
    if picture.mode == mode or mode != "RGBA":
        return picture
    opaque = np.full((picture.height, picture.width, 1), 255, np.uint8)
    return Picture(np.concatenate([picture.pixels, opaque], axis=2))


def measured(base: Picture, edit: EditResult) -> Json:
    """What is told about a local edit: how much the mask covers, and how many pixels changed inside and outside it."""
    if edit.mask is None or edit.image.size != base.size:
        return {}
    before, after = with_mode(base, edit.image.mode).pixels, edit.image.pixels
    same = cv2.inRange(cv2.absdiff(before, after), (0,) * 4, (0,) * 4)
    outside = (edit.mask == 0).view(np.uint8)
    beyond = cv2.countNonZero(outside)
    return {
        "mask_fraction": round(1 - beyond / outside.size, 4),
        "pixels_changed": same.size - cv2.countNonZero(same),
        "pixels_changed_outside": beyond - cv2.countNonZero(cv2.bitwise_and(same, outside)),
    }


def failure(error: PentimentoError) -> Json:
    """An error as it is stored in the turn's outcome."""
    return {"code": error.code, "message": error.message, "hint": error.hint}
