"""The latent that a revision's picture was decoded from, so that the next step goes on from it and not from its pixels.

Decoding to eight bits and encoding again costs a little of the picture at every turn. A latent is no part of history:
it is kept in the shelf's cache, and where it has gone from there the step that made it is worked again. Which networks
may share latents is a matter of their autoencoder.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from agent.events import Working
from agent.laying import Past, plan_step, recorded
from agent.stepping import Job, Result, shelf_for, work
from sessions.errors import EditError, PlanError
from sessions.history import Graph
from sessions.lineage import REPLAYED
from sessions.values import IDENTITY, Json, Picture, Revision
from tools import registry

if TYPE_CHECKING:
    from torch import Tensor

    from tools.shelf import Shelf

FURTHEST = 4
"""How many steps are worked again for the sake of one latent, at most; older ones begin from pixels."""

Looking = Generator[Working, None, "Tensor | None"]


def keep(shelf: Shelf, revision: Revision, latent: Tensor | None) -> None:
    """Keep what a revision's picture was decoded from, or that its tool does not say so."""
    tool = recorded(revision).tool
    if _made_by(shelf, revision, tool):
        shelf.cache.put(_key(shelf, tool, revision), {} if latent is None else {"latent": latent})


def latent_of(index: int, past: Past, revision: Revision, tool: str, furthest: int = FURTHEST) -> Looking:
    """What `tool` may go on from at a revision: (1, 4, h, w) float32; None where it has to encode the pixels.

    That is so for photos, for what the darkroom made, and for what networks with another autoencoder made.
    """
    shelf = shelf_for(tool, past.store.home)
    if shelf is None or revision.step is None or revision.geometry != IDENTITY or not _made_by(shelf, revision, tool):
        return None
    kept = shelf.cache.get(_key(shelf, tool, revision))
    if kept is not None:
        return kept.get("latent")
    return (yield from _again(index, past, revision, furthest)) if furthest else None


def _again(index: int, past: Past, revision: Revision, furthest: int) -> Looking:
    """The step of a revision worked once more; None where it does not come to the same picture any more."""
    step = recorded(revision)
    fed = past.graph.by_id.get(step.base or "")  # not its parent, where it was done instead of that
    if fed is None or len(revision.parents) != 1 or (shelf := _shelf(step.tool, past)) is None:
        return None
    if revision.facts.get(REPLAYED):  # more than its own step is in its picture
        return None
    before = yield from latent_of(index, past, fed, step.tool, furthest - 1)
    brush = past.load(step.region.mask)[0].pixels if step.region and step.region.mask else None
    again = plan_step(revision).model_copy(update={"confirmed": True})
    picture, (subjects, sounds) = past.load(fed.image)[0], past.others(step)
    job = Job(again, picture, subjects, brush, step.seed, shelf, before, familiar=True, sounds=sounds)
    try:
        result: Result = yield from work(index, job)
    except (EditError, PlanError):  # its tool may have other arguments by now
        return None
    latent = result.edit.latent if _same(result.edit.image, past.load(revision.image)[0]) else None
    keep(shelf, revision, latent)
    return latent


def _shelf(tool: str, past: Past) -> Shelf | None:
    """The weights for a tool, where it is still one of ours."""
    return shelf_for(tool, past.store.home) if tool in registry.registered() else None


def _same(one: Picture, other: Picture) -> bool:
    return np.array_equal(one.pixels, other.pixels)


def familiar(shelf: Shelf, graph: Graph, revision: Revision, tool: str) -> bool:
    """Whether weights with the autoencoder of `tool` made a revision's picture, or what it was made from since.

    Steps without weights do not make a picture strange; those that bring in another picture do.
    """
    for one in graph.line(revision.id):
        if one.made_with.get("weights") and _made_by(shelf, one, tool):
            return True
        if one.step is not None and not set(one.step.subjects) <= graph.sounds.keys():
            return False
    return False


def _made_by(shelf: Shelf, revision: Revision, tool: str) -> bool:
    """Whether weights with the autoencoder of `tool` made a revision's picture."""
    told = revision.made_with.get("weights")  # as whoever exported the session has it
    used = [one.get("digest") for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    made = [one.part("vae") for one in shelf.entries() if one.digest in used]
    return shelf.entry(registry.get(tool).weights[0]).part("vae") in made


def _key(shelf: Shelf, tool: str, revision: Revision) -> Json:
    """Not the picture alone: two steps may come to the same pixels from different latents."""
    return {"kind": "latent", "revision": revision.id, "vae": shelf.entry(registry.get(tool).weights[0]).part("vae")}
