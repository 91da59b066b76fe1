"""One recorded step laid onto another picture than it was made on: its own pixels where they fit, else done again.

What a merge is made of; which steps, in which order and what to do where none of it works is `merging`'s to decide.
Pictures are told apart by pixels, places by geometry: the *frame* of a picture maps the pixels of the photo its line
began with onto its own.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache, partial

import cv2
import numpy as np

from agent import others
from agent.events import Working
from agent.others import Others
from agent.plan import PlanStep
from agent.stepping import Job, Result, shelf_for, with_mode, work
from sessions.errors import BadArguments, NotGrounded
from sessions.history import Graph
from sessions.identity import REVISION_PREFIX
from sessions.store import Store
from sessions.values import IDENTITY, Geometry, Json, Picture, Pixels, Revision, Step
from tools import geometry
from tools.pixels import mask_box

KEPT = 4
"""How many pictures of history are held in memory at a time."""


@dataclass(frozen=True)
class Canvas:
    """What steps are laid on: pixels, and where they lie in the photo that all began with."""

    picture: Picture
    frame: Geometry


class Past:
    """The revisions of one session with their pixels and frames; what was read lately is not read again.

    Its caches know nothing of it: no cycle keeps the pictures in memory once it is let go.
    """

    def __init__(self, store: Store, graph: Graph) -> None:
        self.store = store
        self.graph = graph
        self.load = lru_cache(KEPT)(partial(store.picture_and_tiles, graph.session.id))
        self.frame = lru_cache(None)(partial(_frame, graph))

    def canvas(self, revision: Revision) -> Canvas:
        """A revision's picture as something to go on from."""
        return Canvas(self.load(revision.image)[0], self.frame(revision.id))

    def below(self, revision: Revision) -> Revision:
        """What a step was made on."""
        return self.graph.by_id[revision.parents[0]]

    def mask(self, revision: Revision) -> Pixels | None:
        """Where a step meant to change something, (H, W) of the picture it was made on; None: everywhere."""
        return None if revision.mask is None else self.load(revision.mask)[0].pixels

    def window(self, image: str, box: tuple[int, int, int, int]) -> Picture:
        """What of a picture lies in a box of its pixels."""
        return self.store.window(self.graph.session.id, image, box)

    def others(self, step: Step) -> Others:
        """The other pictures of a step, and its sounds."""
        names = (self.graph.by_id[s].image if s.startswith(REVISION_PREFIX) else s for s in step.subjects)
        return others.apart(others.other(self.store, self.graph.session.id, name) for name in names)

    def travelled(self, revision: Revision, onto: Geometry) -> Geometry:
        """From the pixels a step was made on to those of another frame."""
        return geometry.compose(geometry.invert(self.frame(self.below(revision).id)), onto)


def _frame(graph: Graph, revision: str) -> Geometry:
    """From the photo that a line began with to a revision on it."""
    frame = IDENTITY
    for one in reversed(list(graph.line(revision))):
        frame = geometry.compose(frame, one.geometry) if one.geometry != IDENTITY else frame
    return frame


def same_frame(one: Geometry, other: Geometry) -> bool:
    """Whether pixels lie at the same places, to a millionth of a pixel."""
    return bool(np.allclose(geometry.matrix(one), geometry.matrix(other), rtol=1e-9, atol=1e-6))


# --- its own pixels ---------------------------------------------------------------------------------------------------


def composited(canvas: Canvas, past: Past, revision: Revision) -> Canvas | None:
    """The step's own pixels on the canvas, bit for bit; None where the canvas is not what the step was made on.

    It is, if under the step's mask (everywhere, for a step without one) it has the very pixels that the step found. So
    what a step's mask covers counts as changed by it, even where no pixel came out different; of what happened to the
    canvas only the pixels that really changed count.
    """
    below, frame = past.below(revision), past.frame(revision.id)
    if canvas.picture.size != _size(below) or not same_frame(canvas.frame, past.frame(below.id)):
        return None
    mask = past.mask(revision)
    if mask is None:
        same = _alike(canvas.picture, past.load(below.image)[0])
        return Canvas(past.load(revision.image)[0], frame) if same else None
    box = mask_box(mask)
    if box is None:
        return canvas
    x0, y0, x1, y1 = box
    here, inside = Picture(canvas.picture.pixels[y0:y1, x0:x1]), mask[y0:y1, x0:x1]
    if not _alike(here, past.window(below.image, box), inside):
        return None
    return Canvas(_put(canvas.picture, past.window(revision.image, box), inside, box), frame)


def _alike(one: Picture, other: Picture, mask: Pixels | None = None) -> bool:
    """Whether two pictures of a size have the same pixels wherever a mask is not 0."""
    a, b = (with_mode(picture, _mode(one, other)).pixels for picture in (one, other))
    if mask is None:
        return np.array_equal(a, b)
    same = cv2.inRange(cv2.absdiff(a, b), (0,) * 4, (0,) * 4)
    return cv2.countNonZero(mask) == cv2.countNonZero(cv2.bitwise_and(mask, same))


def _put(base: Picture, edit: Picture, mask: Pixels, box: tuple[int, int, int, int]) -> Picture:
    """`edit` in a box of `base`, wherever the mask is not 0: soft edges are in the edit's pixels already."""
    mode, (x0, y0, x1, y1) = _mode(base, edit), box
    out = with_mode(base, mode).pixels.copy()
    cv2.copyTo(with_mode(edit, mode).pixels, (mask > 0).view(np.uint8), out[y0:y1, x0:x1])
    return Picture(out)


def _mode(*pictures: Picture) -> str:
    return "RGBA" if any(picture.mode == "RGBA" for picture in pictures) else "RGB"


# --- done again -------------------------------------------------------------------------------------------------------


def replayed(
    index: int, canvas: Canvas, past: Past, revision: Revision, there: bool = False
) -> Generator[Working, None, Canvas]:
    """The step done again on the canvas, as `again` says; the tool's own errors."""
    result: Result = yield from work(index, again(canvas, past, revision, there))
    return moved(canvas, result)


def moved(canvas: Canvas, result: Result) -> Canvas:
    """What a step made of the canvas."""
    return Canvas(result.edit.image, geometry.compose(canvas.frame, result.edit.geometry))


def again(canvas: Canvas, past: Past, revision: Revision, there: bool = False) -> Job:
    """The step to be done again on the canvas, with its recorded seed and its words to be grounded anew.

    Boxes, brushes and points travel with the pixels they were set on. `there`: so does the mask that words had, instead
    of being grounded anew.
    """
    step = recorded(revision)
    onto = past.travelled(revision, canvas.frame)
    planned, brush = plan_step(revision), None
    if not same_frame(onto, IDENTITY) or canvas.picture.size != _size(past.below(revision)):
        planned = planned.model_copy(update={"args": _moved(step.args, onto, past.below(revision), canvas.picture)})
        there = there or (step.region is not None and step.region.words is None)
    if there or (step.region is not None and step.region.mask is not None):
        brush = _carried(_marked(past, revision), onto, canvas.picture.size)
        planned = planned.model_copy(update={"region": {"mask": revision.mask or "carried"}, "confirmed": there})
    shelf = shelf_for(step.tool, past.store.home)
    subjects, sounds = past.others(step)
    seed, familiar = step.seed, True  # as it once was
    return Job(planned, canvas.picture, subjects, brush, seed, shelf, familiar=familiar, sounds=sounds)


def recorded(revision: Revision) -> Step:
    """The step of a revision that a tool made."""
    if revision.step is None:
        raise BadArguments(f"#{revision.seq} was not made by a tool, so it cannot be done again.")
    return revision.step


def plan_step(revision: Revision) -> PlanStep:
    """A recorded step as a plan says it."""
    step = recorded(revision)
    region = step.region.to_json() if step.region else None
    return PlanStep(tool=step.tool, args=step.args, subjects=step.subjects, region=region, seed=step.seed)


def _marked(past: Past, revision: Revision) -> Pixels:
    """The place a step was told, as a mask of the picture it was made on; NotGrounded where there is none on record."""
    region, size = recorded(revision).region, _size(past.below(revision))
    if region is not None and region.words is None:
        from tools import regions  # pulls in scikit-image, which most merges need not wait for

        brush = past.load(region.mask)[0].pixels if region.mask else None
        return regions.ground(Picture(np.zeros((size[1], size[0], 3), np.uint8)), region, brush).mask
    mask = past.mask(revision)
    if mask is None:
        raise NotGrounded("Where that was is not on record.", "Leave it out, or say it again in other words.")
    return mask


def _carried(mask: Pixels, onto: Geometry, size: tuple[int, int]) -> Pixels:
    """A mask on the canvas; NotGrounded where nothing of it is left there."""
    still = same_frame(onto, IDENTITY) and mask.shape == (size[1], size[0])
    carried = mask if still else geometry.warp_mask(mask, onto, size)
    if not carried.any():
        raise NotGrounded("The place it was meant for is not in this picture any more.", "Leave it out.")
    return carried


def _moved(args: Json, onto: Geometry, below: Revision, canvas: Picture) -> Json:
    """Arguments that are places on the picture, a `box` and a point `at`, where those places are on the canvas."""
    moved = dict(args)
    if isinstance(args.get("box"), list | tuple):
        x0, y0, x1, y1 = args["box"]
        points = _along([(x0, y0), (x1, y0), (x0, y1), (x1, y1)], onto, below, canvas)
        (x0, y0), (x1, y1) = np.clip([points.min(0), points.max(0)], 0.0, 1.0).tolist()
        if min(x1 - x0, y1 - y0) * min(canvas.size) < 1:
            raise NotGrounded("The box it was meant for is not in this picture any more.", "Leave it out.")
        moved["box"] = [x0, y0, x1, y1]
    if isinstance(args.get("at"), list | tuple):
        [(x, y)] = _along([tuple(args["at"])], onto, below, canvas)
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise NotGrounded("The point it was meant for is not in this picture any more.", "Leave it out.")
        moved["at"] = [float(x), float(y)]
    return moved


def _along(fractions: list[tuple[float, float]], onto: Geometry, below: Revision, canvas: Picture) -> geometry.Doubles:
    """Fractions of one picture → (N, 2) fractions of another."""
    points = np.array(fractions, np.float64) * _size(below)
    return geometry.warp_points(points, onto) / np.array(canvas.size, np.float64)


def _size(revision: Revision) -> tuple[int, int]:
    return revision.width, revision.height
