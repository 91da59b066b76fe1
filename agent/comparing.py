"""Compare: two revisions laid onto each other along their geometry, and by how much they differ, and where.

Differences are ΔE*ab (CIE 1976): the distance of two colours in CIELAB under D65, where black and white lie 100 apart
and one person in two sees a difference of 2.3. What is see-through is looked at on middle grey. Judges nothing: which
of the two is better is the person's to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from agent.laying import Past, same_frame
from agent.merging import said_by_both
from agent.telling import place, title
from sessions import lineage
from sessions.errors import BadArguments
from sessions.history import Graph
from sessions.store import Store
from sessions.values import IDENTITY, Geometry, Json, Picture, Pixels, Revision
from tools import geometry
from tools.pixels import Floats, bands

VISIBLE = 2.3
"""The just noticeable ΔE*ab (Mahy, Van Eycken and Oosterlinck 1994)."""
LEVELS = 5
"""Grey levels of the difference map per ΔE: a map of 255 is 51 or more."""
_GREY = 128
_PLACES = (
    ("top left", "top", "top right"),
    ("left", "center", "right"),
    ("bottom left", "bottom", "bottom right"),
)


@dataclass(frozen=True)
class Change:
    """How much a part of the picture differs: share of its pixels (0…1) that do, and their mean ΔE over all of it."""

    where: str
    changed: float
    mean: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is different between `before` and `after`, on the pixels of `before` as far as `after` shows them.

    `difference`: uint8 (H, W), ΔE × LEVELS. `shared`: the share of `before` that both show. `changed`, `visible`: the
    shares of that which differ at all, and by VISIBLE or more. `places`: a grid of three by three; `regions`: the masks
    of steps that only one of the two has in its picture, which are `steps`, before's and after's: a call that both made
    in the same place is none.
    """

    before: Revision
    after: Revision
    base: Revision | None
    steps: tuple[tuple[Revision, ...], tuple[Revision, ...]]
    picture: Picture
    difference: Pixels
    shared: float
    changed: float
    visible: float
    mean: float
    largest: float
    places: tuple[Change, ...]
    regions: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The comparison in a few words."""
        both = f"#{self.before.seq} and #{self.after.seq}"
        if not self.changed:
            return " ".join((f"{both} are the same where both show something, bit for bit.", *self.notes))
        most = max(self.places, key=lambda one: one.mean)
        return " ".join(
            (
                f"{both} differ in {self.changed:.1%} of the pixels, visibly in {self.visible:.1%};",
                f"mean ΔE {self.mean:.1f}, largest {self.largest:.0f}, most at the {most.where}.",
                *self.notes,
            )
        )

    def heat(self) -> Picture:
        """The difference map as a picture: glowing where much changed, on `before` in dark grey."""
        glow = cv2.cvtColor(cv2.applyColorMap(self.difference, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
        grey = cv2.cvtColor(cv2.cvtColor(_on_grey(self.picture), cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return Picture(cv2.addWeighted(grey, 0.3, glow, 1.0, 0.0).astype(np.uint8, copy=False))

    def to_json(self) -> Json:
        """All figures and names, without pictures."""
        return {
            "before": self.before.id,
            "after": self.after.id,
            "base": self.base.id if self.base else None,
            "steps": {
                "before": [step.id for step in self.steps[0]],
                "after": [step.id for step in self.steps[1]],
            },
            **{name: round(getattr(self, name), 4) for name in ("shared", "changed", "visible", "mean", "largest")},
            "places": [vars(one) for one in self.places],
            "regions": [vars(one) for one in self.regions],
            "notes": list(self.notes),
        }


def compare(store: Store, graph: Graph, before: Revision, after: Revision) -> Comparison:
    """Lay `after` onto `before` and measure; BadArguments where they are different photos of different sizes."""
    past, base = Past(store, graph), lineage.common(graph, before.id, after.id)
    steps = _only_one(past, before, after)
    one, other = past.load(before.image)[0], past.load(after.image)[0]
    onto, notes = _alignment(past, base, before, after)
    aligned, shown = _onto(other, onto, one.size)
    if not shown.any():
        raise BadArguments(f"{title(before)} and {title(after)} show no part of the photo in common.")
    apart = distance(one, aligned)
    apart[shown == 0] = 0
    differs = (_differs(one, aligned) & shown).view(np.uint8)
    measured = _Measured(apart, differs, shown)
    whole = measured.part("everywhere", None)
    area = cv2.countNonZero(shown)
    return Comparison(
        before,
        after,
        base,
        steps,
        one,
        cv2.convertScaleAbs(apart, alpha=LEVELS).astype(np.uint8, copy=False),
        area / shown.size,
        whole.changed,
        int(np.count_nonzero(apart >= VISIBLE)) / area,
        whole.mean,
        float(apart.max()),
        tuple(measured.grid()),
        tuple(measured.regions(past, before, (*steps[0], *steps[1]))),
        notes,
    )


def _only_one(past: Past, before: Revision, after: Revision) -> tuple[tuple[Revision, ...], tuple[Revision, ...]]:
    """The steps in the picture of the one and not of the other; what both did alike is in both, whosever it is."""
    mine, other = lineage.apart(past.graph, before.id, after.id)
    same = said_by_both(past, mine, other)
    return tuple(s for s in mine if s.id not in same.values()), tuple(s for s in other if s.id not in same)


def distance(one: Picture, other: Picture) -> Floats:
    """ΔE*ab of two pictures of a size, (H, W); within 1 %, as OpenCV computes CIELAB."""
    a, b = _on_grey(one), _on_grey(other)
    out = np.zeros(a.shape[:2], np.float32)
    for rows, _, _ in bands(one.height, one.width, pixels=250_000):
        if np.array_equal(a[rows], b[rows]):
            continue
        p, q = (cv2.cvtColor(x[rows].astype(np.float32) / 255, cv2.COLOR_RGB2Lab) for x in (a, b))
        out[rows] = np.sqrt(cv2.transform(np.square(p - q), np.ones((1, 3), np.float32)))
    return out


@dataclass(frozen=True, eq=False)
class _Measured:
    """Distances (H, W), where pixels differ at all and where both pictures show something: 0 or 255."""

    apart: Floats
    differs: Pixels
    shown: Pixels

    def part(self, where: str, mask: Pixels | None) -> Change:
        """The change inside a mask."""
        inside = self.shown if mask is None else cv2.bitwise_and(mask, self.shown).astype(np.uint8, copy=False)
        area = max(1, cv2.countNonZero(inside))
        differing = cv2.countNonZero(cv2.bitwise_and(self.differs, inside))
        return Change(where, round(differing / area, 4), round(float(cv2.mean(self.apart, inside)[0]), 3))

    def grid(self) -> Iterator[Change]:
        """The nine places, row by row."""
        for rows, names in zip(_thirds(self.apart.shape[0]), _PLACES, strict=True):
            for columns, name in zip(_thirds(self.apart.shape[1]), names, strict=True):
                cut = rows, columns
                yield _Measured(self.apart[cut], self.differs[cut], self.shown[cut]).part(name, None)

    def regions(self, past: Past, before: Revision, steps: Sequence[Revision]) -> Iterator[Change]:
        """The places of the steps, each once, as they lie on `before`."""
        told = set()
        for step in steps:
            mask, name = past.mask(step), _region(step)
            if mask is not None and name not in told:
                told.add(name)
                onto = past.travelled(step, past.frame(before.id))
                if not same_frame(onto, IDENTITY) or mask.shape != self.apart.shape:
                    mask = geometry.warp_mask(mask, onto, self.apart.shape[::-1])
                yield self.part(name, cv2.inRange(mask, (128,), (255,)).astype(np.uint8, copy=False))


def _region(step: Revision) -> str:
    """`the sky`, or the tool where nothing was named."""
    asked = step.step.region if step.step else None
    return str(step.facts.get("region", place(asked) if asked else step.tool))


def _thirds(length: int) -> tuple[slice, slice, slice]:
    a, b = max(1, length // 3), max(1, length - length // 3)
    return slice(0, a), slice(min(a, length - 1), max(b, a)), slice(min(b, length - 1), length)


def _differs(one: Picture, other: Picture) -> Pixels:
    """255 where two pictures look different by any bit, (H, W)."""
    return cv2.bitwise_not(cv2.inRange(cv2.absdiff(_on_grey(one), _on_grey(other)), (0,) * 4, (0,) * 4)).astype(
        np.uint8
    )


def _on_grey(picture: Picture) -> Pixels:
    """The colours (H, W, 3) as they look on middle grey."""
    if picture.alpha is None:
        return picture.rgb
    weight = picture.alpha[..., None].astype(np.uint16)
    return ((picture.rgb * weight + _GREY * (255 - weight) + 127) // 255).astype(np.uint8)


# --- onto each other --------------------------------------------------------------------------------------------------


def _alignment(
    past: Past, base: Revision | None, before: Revision, after: Revision
) -> tuple[Geometry, tuple[str, ...]]:
    """From the pixels of `after` to those of `before`, and what is to be said about it."""
    sizes = [(one.width, one.height) for one in (before, after)]
    if base is None:
        if sizes[0] != sizes[1]:
            raise BadArguments(
                f"{title(before)} and {title(after)} are different photos of different sizes.",
                "Compare versions of one photo.",
            )
        return IDENTITY, ("They are different photos, compared pixel by pixel.",)
    onto = geometry.compose(geometry.invert(past.frame(after.id)), past.frame(before.id))
    if same_frame(onto, IDENTITY) and sizes[0] == sizes[1]:
        return IDENTITY, ()
    size = "×".join(map(str, sizes[1]))
    return onto, (f"#{after.seq} ({size}) was laid onto #{before.seq}, and compared where both show the photo.",)


def _onto(picture: Picture, onto: Geometry, size: tuple[int, int]) -> tuple[Picture, Pixels]:
    """A picture along a geometry, bilinearly, on a canvas of `size`; and 255 where it shows something, (H, W)."""
    width, height = picture.size
    if onto == IDENTITY and picture.size == size:
        return picture, np.full((height, width), 255, np.uint8)
    solid = geometry.warp_mask(np.full((height, width), 255, np.uint8), onto, size)
    shown = cv2.inRange(solid, (255,), (255,)).astype(np.uint8, copy=False)
    m, pixels = geometry.matrix(onto), picture.pixels
    sx, sy = (min(1.0, float(np.hypot(*m[:2, i]))) for i in (0, 1))
    small = max(1, round(width * sx)), max(1, round(height * sy))
    if small != (width, height):  # averaged down first, or fine patterns would differ by chance
        pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        m = m @ geometry.matrix(geometry.scale(width / small[0], height / small[1]))
    half = geometry.matrix(geometry.crop(0.5, 0.5))
    moved = cv2.warpPerspective(pixels, half @ m @ np.linalg.inv(half), size, borderMode=cv2.BORDER_REPLICATE)
    return Picture(moved.astype(np.uint8, copy=False)), shown


def laid(store: Store, graph: Graph, one: Revision, onto: Revision) -> Picture:
    """The picture of a revision as it lies on the frame of another; its edges go on where it has no pixels."""
    past = Past(store, graph)
    geometry_of, _ = _alignment(past, lineage.common(graph, one.id, onto.id), onto, one)
    return _onto(past.load(one.image)[0], geometry_of, (onto.width, onto.height))[0]
