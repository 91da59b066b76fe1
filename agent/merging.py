"""Merge: what was done on one line of history, brought onto another; one revision with two parents.

    for each step of theirs since ours, in order:
        ours did exactly the same:                        already there
        the picture is what the step was made on,
        wherever the step's mask is not 0:                composite its own pixels, bit for bit
        ours did it too, otherwise, in the same place:    conflict
        else:                                             do it again, with its seed, its words grounded anew;
                                                          where that cannot be done: conflict

"Since" is a difference of sets: what is in the picture of theirs and not in the history of ours, so that merging again
brings only what is new, what ours once left out is not asked about twice, and lines merged across each other need no
guess at where they parted. "Ours did" is a matter of pictures: what ours shows and theirs does not. Two steps of one
tool whose masks meet but whose arguments differ are a conflict, because doing both might be doubling: two exposures,
two crops, two captions in one place; but not two steps that set different arguments, a warmer and a brighter one.
Steps of different tools are done one after the other. A conflict is never settled silently: the person chooses `ours`
(leave their step out), `theirs` (leave ours out, and do again what came after it) or `both` (in order).

A merge is a revision even where theirs only goes on from ours, so that undo takes back the whole of it, to the first
parent, and the conversation can point at it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from agent.events import Working
from agent.laying import Canvas, Past, composited, plan_step, recorded, replayed, same_frame
from agent.stepping import with_mode
from agent.telling import title
from sessions import commits, lineage
from sessions.commits import Claim, Draft
from sessions.errors import BadArguments, EditError, NotGrounded, PentimentoError, PlanError, ToolFailed, Unsure
from sessions.history import Graph
from sessions.lineage import COMPOSITED, LEFT_OUT, REPLAYED
from sessions.store import Store
from sessions.tiles import Tiled
from sessions.values import IDENTITY, Geometry, Json, Picture, Pixels, Revision, Step
from tools import geometry, registry

Choice = Literal["ours", "theirs", "both"]
Take = Mapping[str, Choice]
"""What the person chose: the id of a step of theirs, or ALL → choice."""
ALL = "*"
"""The key of the choice for every conflict that has none of its own."""


@dataclass(frozen=True)
class Conflict:
    """A step of theirs that is not simply laid onto ours: why, the steps of ours it meets, and what can be chosen.

    `shown`: each choice with what it looks like; "theirs" as it looks over there.
    """

    step: Revision
    against: tuple[Revision, ...]
    why: str
    shown: Mapping[Choice, Picture]


@dataclass(frozen=True)
class Merged:
    """A merge before it is durable. `mask`: where it differs from ours, None: it may anywhere.

    `facts`: the ids of the steps that were `composited`, `replayed` (of ours too, where something before them was left
    out), found `already` there and `left_out` (of either side), and what was `decided`; `sessions.lineage` reads them.
    `like`: a picture with the tiles of most of it.
    """

    ours: Revision
    theirs: Revision
    picture: Picture
    mask: Pixels | None
    geometry: Geometry
    facts: Json
    like: tuple[Picture, Tiled]


Way = Generator[Working, None, Merged | Conflict | None]


def merge(store: Store, graph: Graph, ours: Revision, theirs: Revision, take: Take) -> Way:
    """Bring the steps of `theirs` onto `ours`; a Conflict that `take` does not decide ends it; None: nothing is new.

    BadArguments where the two come from different photos; EditError where a step of ours cannot be done without one
    that was to be left out.
    """
    if lineage.common(graph, ours.id, theirs.id) is None:
        raise BadArguments(
            f"{title(ours)} and {title(theirs)} come from different photos; there is nothing to merge.",
            "Merge joins what was done to one photo.",
        )
    if theirs.id in lineage.ancestors(graph, ours.id):
        return None
    past, decided = Past(store, graph), dict(take)
    usual = decided.pop(ALL, None)
    while True:
        end = yield from _Merging(past, ours, theirs, decided, usual).run()
        if isinstance(end, Merged) or usual != "theirs" or usual not in end.shown or end.step.id in decided:
            return end
        decided[end.step.id] = usual  # leaves out what was walked over: only this choice begins anew


def commit(store: Store, branch: str, merged: Merged, name: str, claim: Claim | None = None) -> Revision:
    """Make a merge durable on the branch that `ours` is the head of; HeadMoved if it is not any more."""
    kept = store.keep(merged.ours.session, merged.picture, merged.mask, merged.like)
    draft = Draft(
        kept,
        (merged.ours.id, merged.theirs.id),
        geometry=merged.geometry,
        source="merge",
        name=f"merge {name}",
        claim=claim,
        turn=claim.turn if claim else None,
        facts=merged.facts | {"bytes": kept.bytes},
    )
    return commits.append(store, merged.ours.session, branch, draft, merged.ours.id)


_CANNOT = (NotGrounded, Unsure, BadArguments, ToolFailed, PlanError)
"""Why a step cannot be done again; any other error ends the merge."""


class _Merging:
    """One walk over the steps of theirs, with what has been `decided` so far and what is `usual` for the rest."""

    def __init__(
        self, past: Past, ours: Revision, theirs: Revision, decided: dict[str, Choice], usual: Choice | None
    ) -> None:
        self.past = past
        self.ours = ours
        self.theirs = theirs
        self.decided = decided
        self.usual = usual
        mine, other = lineage.apart(past.graph, ours.id, theirs.id)
        known = lineage.ancestors(past.graph, ours.id)
        self.pending = tuple(step for step in other if step.id not in known)
        self.same = said_by_both(past, mine, other)
        self.only_ours = tuple(step for step in mine if step.id not in self.same.values())
        self.done: dict[str, list[str]] = {COMPOSITED: [], REPLAYED: [], "already": [], LEFT_OUT: []}
        self.began = time.perf_counter()

    def run(self) -> Generator[Working, None, Merged | Conflict]:
        if self.ours.id in lineage.ancestors(self.past.graph, self.theirs.id):
            self.done[COMPOSITED] += [step.id for step in self.pending]
            self.done[LEFT_OUT] += [step.id for step in self.only_ours]
            return self._merged(self.past.canvas(self.theirs), self.theirs)
        canvas = yield from self._without(self._dropped())
        for index, step in enumerate(self.pending):
            laid = yield from self._lay(index, canvas, step)
            if isinstance(laid, Conflict):
                return laid
            canvas = laid
        return self._merged(canvas, self.ours)

    # Ours

    def _dropped(self) -> frozenset[str]:
        """The steps of ours that theirs were chosen over."""
        replaced = [step for step in self.pending if self.decided.get(step.id) == "theirs"]
        return frozenset(one.id for step in replaced for one in self._against(step))

    def _without(self, dropped: frozenset[str]) -> Generator[Working, None, Canvas]:
        """Ours, as it would be had the steps `dropped` not been made."""
        self.done[LEFT_OUT] += sorted(dropped)
        start, rest = lineage.without(self.past.graph, self.ours.id, dropped)
        canvas = self.past.canvas(start)
        for step in rest:
            laid, failure = composited(canvas, self.past, step), None
            if laid is None:
                laid, failure = yield from self._tried(0, canvas, step)
                self.done[REPLAYED].append(step.id)
            if laid is None:
                raise EditError(
                    f"{title(step)} cannot be done without what ours did before ({failure}).", "Take ours, or both."
                )
            canvas = laid
        return canvas

    def _against(self, step: Revision) -> tuple[Revision, ...]:
        """The steps of ours that a step meets: those it may double; else all that touched its place or moved pixels."""
        met = [one for one in self.only_ours if one.geometry != IDENTITY or _overlap(self.past, one, step)]
        return self._doubled(step) or tuple(met)

    def _doubled(self, step: Revision) -> tuple[Revision, ...]:
        """The steps of ours by the same tool in the same place that set an argument which this step sets too."""
        alike = (one for one in self.only_ours if one.tool == step.tool and not _apart(one, step))
        return tuple(one for one in alike if _overlap(self.past, one, step))

    # Theirs

    def _lay(self, index: int, canvas: Canvas, step: Revision) -> Generator[Working, None, Canvas | Conflict]:
        """The canvas with one step of theirs; or why that is for the person to say."""
        yield Working(index, plan_step(step), 0.0)
        if self.decided.get(step.id) == "ours":
            done, laid = LEFT_OUT, canvas
        elif step.id in self.same:
            done, laid = "already", canvas
        elif (own := composited(canvas, self.past, step)) is not None:
            done, laid = COMPOSITED, own
        else:
            again = yield from self._again(index, canvas, step)
            if isinstance(again, Conflict):
                return again
            done, laid = again
        self.done[done].append(step.id)
        return laid

    def _again(
        self, index: int, canvas: Canvas, step: Revision
    ) -> Generator[Working, None, tuple[str, Canvas] | Conflict]:
        """A step done again; where that may be doubling, or cannot be done, what was chosen, or else a Conflict."""
        doubled = [one for one in self._doubled(step) if one.id not in self.done[LEFT_OUT]]
        laid, failure = yield from self._tried(index, canvas, step)
        if isinstance(failure, NotGrounded | Unsure):
            laid, _ = yield from self._tried(index, canvas, step, there=True)
        if laid is not None and not (doubled or failure):
            return REPLAYED, laid
        choice = self.decided.get(step.id, self.usual)
        if choice == "both" and laid is not None:
            self.decided[step.id] = choice
            return REPLAYED, laid
        if choice == "ours":
            self.decided[step.id] = choice
            return LEFT_OUT, canvas
        return self._conflict(canvas, step, laid, failure)

    def _tried(
        self, index: int, canvas: Canvas, step: Revision, there: bool = False
    ) -> Generator[Working, None, tuple[Canvas | None, PentimentoError | None]]:
        """A step done again, `there`: in the place it had; or what kept it from being done."""
        try:
            return (yield from replayed(index, canvas, self.past, step, there)), None
        except _CANNOT as error:
            return None, error

    def _conflict(
        self, canvas: Canvas, step: Revision, both: Canvas | None, failure: PentimentoError | None
    ) -> Conflict:
        against, chosen = self._against(step), self.decided.get(step.id)
        shown: dict[Choice, Picture] = {"ours": canvas.picture}
        if against and chosen != "theirs":
            shown["theirs"] = self.past.load(step.image)[0]
        if both is not None:
            shown["both"] = both.picture
        here = f" ({', '.join(title(one) for one in against)})" if against else ""
        why = f"{title(step)} meets what was done here in the same place{here}."
        if failure is not None:
            why = f"{title(step)} cannot be done on what was done here{here}: {failure.message}"
        return Conflict(step, against, why, shown)

    def _merged(self, canvas: Canvas, like: Revision) -> Merged:
        ours, theirs = self.past.canvas(self.ours), self.theirs
        moved = geometry.compose(geometry.invert(ours.frame), canvas.frame)
        still = same_frame(moved, IDENTITY) and canvas.picture.size == ours.picture.size
        mine = {step.id for step in self.only_ours}
        changing = [*self.done[COMPOSITED], *self.done[REPLAYED], *(mine & set(self.done[LEFT_OUT]))]
        local = still and all(self.past.graph.by_id[step].mask is not None for step in changing)
        mask = _changed(ours.picture, canvas.picture) if local else None
        decided = [{"step": s.id, "took": self.decided[s.id]} for s in self.pending if s.id in self.decided]
        facts: Json = {**self.done, "decided": decided, "seconds": round(time.perf_counter() - self.began, 3)}
        if mask is not None:
            changed = cv2.countNonZero(mask)
            facts |= {"pixels_changed": changed, "mask_fraction": round(changed / mask.size, 4)}
        return Merged(
            self.ours, theirs, canvas.picture, mask, IDENTITY if still else moved, facts, self.past.load(like.image)
        )


def said_by_both(past: Past, mine: Sequence[Revision], theirs: Sequence[Revision]) -> dict[str, str]:
    """The steps of theirs that ours made too, word for word and in the same place: id → id, each once."""
    left, same = list(mine), {}
    for step in theirs:
        twin = next((one for one in left if _said_the_same(past, one, step)), None)
        if twin is not None:
            left.remove(twin)
            same[step.id] = twin.id
    return same


def _said_the_same(past: Past, one: Revision, other: Revision) -> bool:
    """The same call; where it is about a part of the picture, on the same part."""
    a, b = recorded(one), recorded(other)
    if (a.tool, a.args, a.region, a.subjects) != (b.tool, b.args, b.region, b.subjects):
        return False
    everywhere = one.mask is None and other.mask is None
    return everywhere or same_frame(past.frame(past.below(one).id), past.frame(past.below(other).id))


def _apart(one: Revision, other: Revision) -> bool:
    """Whether two steps of a tool that moves no pixels set arguments of their own, and none in common."""
    a, b = _set(recorded(one)), _set(recorded(other))
    return one.geometry == other.geometry == IDENTITY and bool(a) and bool(b) and not a & b


def _set(step: Step) -> set[str]:
    """The arguments that are not as the tool has them by default."""
    known = registry.registered().get(step.tool)
    defaults = {name: field.default for name, field in known.args.model_fields.items()} if known else {}
    return {name for name, value in step.args.items() if name not in defaults or value != defaults[name]}


def _overlap(past: Past, ours: Revision, theirs: Revision) -> bool:
    """Whether the masks of two steps meet, on the picture that theirs was made on; none is everywhere."""
    mine, other = past.mask(ours), past.mask(theirs)
    if mine is None or other is None:
        return True
    onto = past.travelled(ours, past.frame(past.below(theirs).id))
    if not same_frame(onto, IDENTITY) or mine.shape != other.shape:
        mine = geometry.warp_mask(mine, onto, (other.shape[1], other.shape[0]))
    return bool(np.minimum(mine, other).any())


def _changed(before: Picture, after: Picture) -> Pixels:
    """255 where two pictures of a size differ, (H, W)."""
    mode = "RGBA" if "RGBA" in (before.mode, after.mode) else "RGB"
    apart = cv2.absdiff(with_mode(before, mode).pixels, with_mode(after, mode).pixels)
    return cv2.bitwise_not(cv2.inRange(apart, (0,) * 4, (0,) * 4)).astype(np.uint8, copy=False)
