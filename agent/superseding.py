"""A step done instead of an earlier one: as if that had never been said, whatever came after it.

"Make the ball blue" … "no, red": red is painted on the ball as it was, never over the blue. History keeps both: the new
revision follows the head, its `Step.base` names the picture that all was begun from, and its fact `left_out` names the
step that is not in its picture any more (`sessions.lineage` reads it). What came later elsewhere is laid on top again;
what a network made of the whole picture since is done again before: on top, it would paint over the new step. Decides
nothing: `PlanStep.replaces` says what is meant.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.events import Working
from agent.laying import Canvas, Past, again, composited, moved, recorded
from agent.stepping import Job, Result, with_mode, work
from agent.telling import title
from sessions import lineage
from sessions.errors import BadArguments, EditError
from sessions.history import Graph
from sessions.values import IDENTITY, Picture, Pixels, Revision
from tools import registry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Instead:
    """`base`: the picture to begin from; `gone`: the step that is left out; `under`, `over`: all other later steps.

    In their order, those that come before the new step and those that are laid on top of it.
    """

    base: Revision
    gone: Revision
    under: tuple[Revision, ...]
    over: tuple[Revision, ...]


def instead_of(graph: Graph, head: Revision, replaced: str) -> Instead:
    """How to do something at `head` instead of one of the steps in its picture; BadArguments where that cannot be."""
    gone = next((step for step in lineage.steps(graph, head.id) if step.id == replaced), None)
    if gone is None:
        raise BadArguments(f"What is to be replaced is not in the picture of {title(head)}.")
    if gone.geometry != IDENTITY:
        raise BadArguments(f"{title(gone)} moved the picture's pixels; nothing can be done instead of it here.", _UNDO)
    base, later = lineage.without(graph, head.id, frozenset({replaced}))
    under = max((at for at, step in enumerate(later, 1) if _remakes(step)), default=0)
    return Instead(base, gone, later[:under], later[under:])


_UNDO = "Undo it, then say what you want."


def _remakes(step: Revision) -> bool:
    """Whether a network made the whole picture anew."""
    tool = registry.registered().get(step.tool)
    return step.mask is None and tool is not None and bool(tool.weights)


def done(index: int, past: Past, instead: Instead, head: Revision, job: Job) -> Generator[Working, None, Result]:
    """The job, which begins at `instead.base`, as its result looks at `head`: with all that came later.

    A later step whose place has changed under it is done again with its seed; EditError where it cannot be.
    """
    pile = _Pile(Canvas(job.picture, past.frame(instead.base.id)), job.step.tool, job.latent)
    for step in instead.under:
        yield from pile.lay(index, past, instead.gone, step)
    familiar = job.familiar or pile.latent is not None
    job = replace(job, picture=pile.canvas.picture, latent=pile.latent, familiar=familiar)
    result = yield from work(index, job)
    pile.put(result)
    for step in instead.over:
        yield from pile.lay(index, past, instead.gone, step)
    everywhere = result.edit.mask is None or instead.gone.mask is None
    mask = None if everywhere else changed(past.canvas(head).picture, pile.canvas.picture)
    edit = replace(result.edit, image=pile.canvas.picture, mask=mask, latent=None if instead.over else pile.latent)
    facts = {lineage.LEFT_OUT: [instead.gone.id]} | ({lineage.REPLAYED: pile.redone} if pile.redone else {})
    return replace(result, edit=edit, facts=result.facts | facts)


@dataclass
class _Pile:
    """The picture as step after step is laid on it.

    `latent`: what it was decoded from, where `tool` did that. `redone`: the steps that were done again.
    """

    canvas: Canvas
    tool: str
    latent: Tensor | None
    redone: list[str] = field(default_factory=list)

    def lay(self, index: int, past: Past, gone: Revision, step: Revision) -> Generator[Working, None, None]:
        """The step's own pixels where they fit, else what it comes to here; EditError where it cannot be done."""
        own = composited(self.canvas, past, step)
        if own is not None:
            self.canvas, self.latent = own, None
            return
        latent = self.latent if step.tool == self.tool else None
        placed = step.mask is not None and recorded(step).region is not None
        try:
            job = again(self.canvas, past, step, there=placed)
            result = yield from work(index, replace(job, latent=latent))
        except EditError as error:
            why = f"{title(step)} cannot be done again without {title(gone)}: {error.message}"
            raise BadArguments(why, _UNDO) from error
        self.put(result)
        self.redone.append(step.id)

    def put(self, result: Result) -> None:
        """What was just worked on the picture."""
        self.canvas = moved(self.canvas, result)
        self.latent = result.edit.latent if result.tool.name == self.tool else None


def changed(before: Picture, after: Picture) -> Pixels | None:
    """Where two pictures differ, uint8 (H, W) of 0 and 255; None where their sizes do."""
    if before.size != after.size:
        return None
    mode = "RGBA" if "RGBA" in (before.mode, after.mode) else "RGB"
    apart = cv2.absdiff(with_mode(before, mode).pixels, with_mode(after, mode).pixels)
    return np.where(apart.any(axis=2), np.uint8(255), np.uint8(0))
