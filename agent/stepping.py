"""One step from a picture to its result: ground the region, run the tool, put the other pixels back, measure.

Works on pixels in memory and knows no store, no turn and no branch: the executor commits what comes out, a merge and a
replay use it as it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent import repeats, telling
from agent.events import Working
from agent.plan import PlanStep
from agent.selfcheck import parsed
from agent.turns import arguments_of, region_of
from sessions.errors import PentimentoError, ToolFailed, Unsure
from sessions.values import IDENTITY, Json, Picture, Pixels, Region
from tools import meanings, registry
from tools.base import EditContext, EditResult, Tool
from tools.pixels import composite, marked, shrink

if TYPE_CHECKING:
    from torch import Tensor

    from tools.regions import Grounding
    from tools.shelf import Shelf
    from tools.sounds import Sound

log = logging.getLogger(__name__)

MEANT = "meant"
"""The argument of a tool that draws what is meant."""
PREVIEW = 1024
"""Longest side of the previews that faces are shown, in pixels."""


@dataclass(frozen=True)
class Job:
    """A step with everything it works on.

    `subjects`: its other pictures, in order; `sounds`: its sounds, in theirs. `brush`: the mask that was drawn, uint8
    (H, W), where its region is one. `shelf`: where its tool's weights are.
    `latent`: what the picture was decoded from, (1, 4, h, w), where weights with the same autoencoder made it;
    `familiar`: such weights made it, or what it was made from.
    """

    step: PlanStep
    picture: Picture
    subjects: tuple[Picture, ...] = ()
    brush: Pixels | None = None
    seed: int = 0
    shelf: Shelf | None = None
    latent: Tensor | None = None
    familiar: bool = False
    sounds: tuple[Sound, ...] = ()


@dataclass(frozen=True)
class Result:
    """A step's outcome before it is durable."""

    step: PlanStep
    args: Json
    region: Region | None
    tool: Tool
    edit: EditResult
    facts: Json
    made_with: Json
    seed: int


def work(index: int, job: Job) -> Generator[Working, None, Result]:
    """Ground, run, composite. Yields `Working` at every place where it may be stopped; raises the tool's own errors."""
    began = time.perf_counter()
    step, base = job.step, job.picture
    tool = registry.get(step.tool)
    args = arguments_of(tool, recommended(tool, job.shelf) | meant(step, tool) | step.args)
    region = region_meant(step, tool)
    using = made_with(tool, job.shelf)
    yield Working(index, step, 0.0)
    with guarded(f"{tool.name} this picture"):
        mask, facts = yield from _ground(index, job, region)
        context = EditContext(
            base, mask, job.subjects, job.seed, step.confirmed, job.shelf, job.latent, job.familiar, job.sounds
        )
        edit = finished(base, (yield from _run(index, job, tool, context, args)), mask)
    yield Working(index, step, 1.0, Picture(shrink(edit.image.pixels, PREVIEW)))
    facts = facts | edit.facts | {"seconds": round(time.perf_counter() - began, 3)}
    return Result(step, args | edit.args, region, tool, edit, facts, using, job.seed)


def _ground(index: int, job: Job, region: Region | None) -> Generator[Working, None, tuple[Pixels | None, Json]]:
    """The mask of a region; Unsure, with the mask to show, when it is not certain and nobody has confirmed it."""
    if region is None:
        return None, {}
    from tools import regions  # pulls in scikit-image, which whole-picture steps need not wait for

    search = regions.ground_steps(job.picture, region, job.brush)
    try:
        while True:
            next(search)
            yield Working(index, job.step, 0.0)
    except StopIteration as end:
        found: Grounding = end.value
    if found.confidence < regions.SURE and not job.step.confirmed:
        raise Unsure(
            f"I am not sure where {telling.place(region)!r} is; this is what I would change.",
            "Say yes to use it, or mark the place with a box or the brush.",
            found.confidence,
            found.mask,
            marked(Picture(shrink(job.picture.pixels, PREVIEW)), shrink(found.mask, PREVIEW)),
        )
    return found.mask, {"region": found.label, "confidence": round(found.confidence, 3)}


def _run(
    index: int, job: Job, tool: Tool, context: EditContext, args: Json
) -> Generator[Working, None, EditResult | None]:
    """What the tool comes to; with weights, what it came to before if this very step has been worked already."""
    if not tool.weights or context.shelf is None:
        return (yield from _at_work(index, job, tool, context, args))
    key = repeats.key(tool, args, context)
    edit = repeats.found(context.shelf, key)
    if edit is None:
        edit = yield from _at_work(index, job, tool, context, args)
        unchanged = repeats.key(tool, args, context) == key  # with which weights it was made is known only then
        if unchanged and isinstance(edit, EditResult):
            repeats.keep(context.shelf, key | {"args": args | edit.args}, edit)
    return edit


def _at_work(
    index: int, job: Job, tool: Tool, context: EditContext, args: Json
) -> Generator[Working, None, EditResult | None]:
    with closing(tool.run(context, tool.args.model_validate(args))) as running:
        try:
            while True:
                progress = next(running)
                yield Working(index, job.step, progress.fraction, progress.preview)
        except StopIteration as end:
            edit: EditResult | None = end.value
            return edit


def shelf_for(tool: str, home: Path) -> Shelf | None:
    """The weights of a data folder, for a tool that needs some."""
    if not registry.get(tool).weights:
        return None
    from tools import shelf  # most steps need none

    return shelf.at(home)


def recommended(tool: Tool, shelf: Shelf | None) -> Json:
    """The arguments as the weights of a tool want them where nobody says otherwise (`tools.weights.Entry.sampling`)."""
    best = shelf.taken(tool.weights[0])[:1] if shelf is not None and tool.weights else ()
    wanted = best[0].sampling if best and best[0].role == tool.weights[0] else {}
    return {name: value for name, value in wanted.items() if name in tool.args.model_fields}


def meant(step: PlanStep, tool: Tool) -> Json:
    """What a step's planner expects of the result, for a tool that makes a picture of just that."""
    expected = parsed(step.expected)
    if expected is None or MEANT not in tool.args.model_fields:
        return {}
    return {MEANT: meanings.written(expected.e, expected.encoder)}


def made_with(tool: Tool, shelf: Shelf | None) -> Json:
    """On what a tool's result depends besides its step and pictures: the device, its precision, the weights."""
    if shelf is None:
        return {"device": "cpu", "weights": []}
    from tools import devices

    taken = [one for role in tool.weights for one in shelf.taken(role)]
    weights = [{"role": one.role, "name": one.name, "digest": one.digest} for one in taken]
    dtype = devices.precision(shelf.device, max((one.bytes for one in taken), default=0))
    return {"device": str(shelf.device), "dtype": str(dtype).removeprefix("torch."), "weights": weights}


def region_meant(step: PlanStep, tool: Tool) -> Region | None:
    """The region that a step names, or the one that its tool usually works on."""
    if step.region is not None:
        return region_of(step.region)
    return Region(words=tool.usual) if tool.usual else None


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Whatever is raised inside that is not ours becomes a sentence: we could not do `what`."""
    try:
        yield
    except PentimentoError:
        raise
    except MemoryError as error:
        raise ToolFailed(f"There is not enough memory to {what}.", "Resize it first.") from error
    except Exception as error:
        log.exception("could not %s", what)
        raise ToolFailed(f"Something broke on our side: I could not {what} ({type(error).__name__}).") from error


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
