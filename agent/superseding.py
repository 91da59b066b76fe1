"""A step done instead of an earlier one: from the picture before that, with what came after it laid on top again.

"Make the ball blue" … "no, red": red is painted on the ball as it was, never over the blue. History keeps both: the new
revision follows the head, its `Step.base` names the picture that was fed, and its fact `left_out` names the step that
is not in its picture any more (`sessions.lineage` reads it). Decides nothing: `PlanStep.replaces` says what is meant.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from agent.events import Working
from agent.laying import Canvas, Past, composited, replayed
from agent.stepping import Result, with_mode
from agent.telling import title
from sessions import lineage
from sessions.errors import BadArguments, EditError
from sessions.history import Graph
from sessions.values import IDENTITY, Picture, Pixels, Revision


@dataclass(frozen=True)
class Instead:
    """`base`: the picture to feed; `gone`: the step that is left out; `later`: what is laid on top again, in order."""

    base: Revision
    gone: Revision
    later: tuple[Revision, ...]


def instead_of(graph: Graph, head: Revision, replaced: str) -> Instead:
    """How to do something at `head` instead of one of the steps in its picture; BadArguments where that cannot be."""
    gone = next((step for step in lineage.steps(graph, head.id) if step.id == replaced), None)
    if gone is None:
        raise BadArguments(f"What is to be replaced is not in the picture of {title(head)}.")
    if gone.geometry != IDENTITY:
        raise BadArguments(f"{title(gone)} moved the picture's pixels; nothing can be done instead of it here.", _UNDO)
    base, later = lineage.without(graph, head.id, frozenset({replaced}))
    return Instead(base, gone, later)


_UNDO = "Undo it, then say what you want."


def laid(index: int, past: Past, instead: Instead, head: Revision, done: Result) -> Generator[Working, None, Result]:
    """`done`, which was worked on `instead.base`, as it looks at `head`: with every later step's own pixels on it.

    A later step whose place has changed under it is done again with its seed; EditError where it cannot be.
    """
    canvas = Canvas(done.edit.image, past.frame(instead.base.id))
    for step in instead.later:
        own = composited(canvas, past, step)
        try:
            canvas = own or (yield from replayed(index, canvas, past, step))
        except EditError as error:
            why = f"{title(step)} cannot be done again without {title(instead.gone)}: {error.message}"
            raise BadArguments(why, _UNDO) from error
    everywhere = done.edit.mask is None or instead.gone.mask is None
    mask = None if everywhere else changed(past.canvas(head).picture, canvas.picture)
    facts = done.facts | {lineage.LEFT_OUT: [instead.gone.id]}
    latent = None if instead.later else done.edit.latent
    return replace(done, edit=replace(done.edit, image=canvas.picture, mask=mask, latent=latent), facts=facts)


def changed(before: Picture, after: Picture) -> Pixels | None:
    """Where two pictures differ, uint8 (H, W) of 0 and 255; None where their sizes do."""
    if before.size != after.size:
        return None
    mode = "RGBA" if "RGBA" in (before.mode, after.mode) else "RGB"
    apart = cv2.absdiff(with_mode(before, mode).pixels, with_mode(after, mode).pixels)
    return np.where(apart.any(axis=2), np.uint8(255), np.uint8(0))
