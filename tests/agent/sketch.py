"""A session in memory, as far as merges, recipes and comparisons read one, so that a law is tried on many histories.

Pictures by name, and a graph; no database, no branches, no moves. Edits are those of the real tools.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agent import merging
from agent.merging import Conflict, Merged
from agent.plan import PlanStep
from agent.stepping import Job, work
from sessions.history import Graph
from sessions.identity import bytes_hash, revision_id
from sessions.values import IDENTITY, Geometry, Json, Picture, Pixels, Revision, Session, Step
from tools.base import drain


def work_of(picture: Picture, step: PlanStep, seed: int = 0) -> Any:
    """A planned step done on a picture."""
    return drain(work(0, Job(step, picture, seed=seed)))


class Sketch:
    """One photo and what came of it. `home`: where a store would have its data; none of these steps looks there."""

    home = Path()

    def __init__(self, photo: Picture) -> None:
        self.images: dict[str, Picture] = {}
        self.revisions: dict[str, Revision] = {}
        self.root = self.add(photo)

    # What a merge asks of a store

    def picture_and_tiles(self, _session: str, image: str) -> tuple[Picture, None]:
        return self.images[image], None

    def window(self, _session: str, image: str, box: tuple[int, int, int, int]) -> Picture:
        x0, y0, x1, y1 = box
        return Picture(self.images[image].pixels[y0:y1, x0:x1])

    # What is done in a session

    @property
    def graph(self) -> Graph:
        return Graph(Session("s", "o", "n", 0, "", ""), tuple(self.revisions.values()), {}, None, {}, None)

    def pixels(self, revision: Revision) -> Pixels:
        return self.images[revision.image].pixels

    def add(
        self,
        picture: Picture,
        parents: tuple[str, ...] = (),
        step: Step | None = None,
        mask: Pixels | None = None,
        geometry: Geometry = IDENTITY,
        facts: Json | None = None,
    ) -> Revision:
        """A revision, or the one that is there already: its name is its content."""
        image, marked = self._kept(picture), None if mask is None else self._kept(Picture(mask))
        name = revision_id(parents, step, geometry, image, marked)
        source = "edit" if step else "merge" if parents else "upload"
        made = Revision(
            name,
            "s",
            parents,
            step,
            image,
            marked,
            geometry,
            source,
            *picture.size,
            len(self.revisions) + 1,
            "",
            facts=facts or {},
        )
        return self.revisions.setdefault(name, made)

    def edit(self, base: Revision, planned: PlanStep) -> Revision:
        """One step by its tool."""
        done = work_of(self.images[base.image], planned)
        step = Step(planned.tool, done.tool.version, done.args, base.id, region=done.region)
        return self.add(done.edit.image, (base.id,), step, done.edit.mask, done.edit.geometry)

    def outcome(self, ours: Revision, theirs: Revision, take: dict | None = None) -> Merged | Conflict | None:
        """What a merge comes to, before it is durable."""
        return drain(merging.merge(self, self.graph, ours, theirs, take or {}))

    def merged(self, ours: Revision, theirs: Revision, take: dict | None = None) -> Revision:
        """A merge that nobody need be asked about."""
        made = self.outcome(ours, theirs, take)
        assert isinstance(made, Merged)
        return self.keep(made)

    def keep(self, made: Merged) -> Revision:
        """The revision of a merge."""
        return self.add(
            made.picture, (made.ours.id, made.theirs.id), None, made.mask, geometry=made.geometry, facts=made.facts
        )

    def _kept(self, picture: Picture) -> str:
        name = bytes_hash(repr(picture.pixels.shape).encode() + np.ascontiguousarray(picture.pixels).tobytes())
        return self.images.setdefault(name, picture) and name
