"""Turns a region (words, a box, or a brush mask) into a mask for a photo, without weights, and says how sure it is.

Words are places ("the top left"), colours ("the red parts"), the sky, the ground, faces, an animal's eyes, the
background, and things, which are taken to be the picture's one main subject; all of them can be joined ("everything but
the cat"). What cannot be found is a NotGrounded, never a guess at the middle of the picture. Decides nothing: the
caller compares `confidence` with SURE and asks the person where it is lower.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from sessions.errors import NotGrounded
from sessions.values import Picture, Pixels, Region
from tools.grounding import eyes as eyes_of
from tools.grounding import words as known
from tools.grounding.colours import coloured, largest
from tools.grounding.cups import cup
from tools.grounding.cuts import Bools
from tools.grounding.edges import full_size
from tools.grounding.faces import Face, face, find
from tools.grounding.phrases import HINT, At, Coloured, Either, Not, Phrase, Thing, Within, name, parse
from tools.grounding.places import Place, draw
from tools.grounding.scenery import ground as ground_of
from tools.grounding.scenery import sky
from tools.grounding.subject import refined, subject
from tools.grounding.view import Found, View, look
from tools.pixels import mask_box

SURE = 0.75
"""From this confidence on a mask is used without asking."""
GUESS = 0.5
"""Confidence of what may be meant, but needs a look: a thing known by its colour alone, one of several faces."""
SMALLEST_SIDE = 16
"""Pixels; in smaller pictures only places can be found."""

MOSTLY = 0.6
"""How much of a thing must lie where it was said to be."""

Steps = Generator[float, None, "Area"]
Look = Generator[float, None, Found]


@dataclass(frozen=True, eq=False)
class Grounding:
    """`mask`: (H, W) of the picture's size, 0…255, soft only in a thin band along its edge. `confidence`: the IoU with
    what the person means that can be expected, 0…1. `label`: what was understood, e.g. "everything but the sky"."""

    mask: Pixels
    confidence: float
    label: str


def ground(picture: Picture, region: Region, brush: Pixels | None = None) -> Grounding:
    """The mask of a region. `brush`: the mask (h, w) that `region.mask` names.

    NotGrounded, with a sentence that offers box and brush, where the words cannot be found in this picture.
    """
    steps = ground_steps(picture, region, brush)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: Grounding = end.value
        return result


def ground_steps(picture: Picture, region: Region, brush: Pixels | None = None) -> Generator[float, None, Grounding]:
    """`ground`, yielding how far it is, 0…1, at least every 200 ms.

    What cannot be cut: the first iteration of GrabCut on the 512-pixel copy, up to 0.36 s, and the search for faces,
    0.15 s, and for eyes, 0.05 s.
    """
    if region.box is not None:
        return Grounding(_boxed(region.box, picture.size), 1.0, "box")
    if region.mask is not None:
        if brush is None:
            raise NotGrounded("The brush mask of this region is missing.", HINT)
        return Grounding(_brushed(brush, picture.size), 1.0, "brush")
    phrase = parse(region.words or "")
    area = yield from _read(Scene(picture), phrase)
    if not area.mask.any():
        raise NotGrounded(f"There is nothing in this picture that is {name(phrase)}.", HINT)
    return Grounding(area.mask, area.confidence, name(phrase))


def _boxed(box: tuple[float, float, float, float], size: tuple[int, int]) -> Pixels:
    mask = draw(Place("box", (box,)), size)
    if not mask.any():
        raise NotGrounded("The box has no pixel of the picture in it.", "Draw a larger box.")
    return mask


def _brushed(brush: Pixels, size: tuple[int, int]) -> Pixels:
    if not brush.any():
        raise NotGrounded("Nothing was painted with the brush.", HINT)
    if (brush.shape[1], brush.shape[0]) == size:
        return brush
    smaller = size[0] < brush.shape[1]
    return cv2.resize(brush, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Area:
    """A mask of the picture's size, and how much of the picture can be expected to be on the wrong side."""

    mask: Pixels
    wrong: float = 0.0

    @property
    def size(self) -> float:
        """Share of the picture inside."""
        return float(cv2.mean(self.mask)[0]) / 255

    @property
    def confidence(self) -> float:
        """Expected IoU: with as much missing as too much, wrong = 2·size·(1 − IoU)/(1 + IoU)."""
        size = self.size
        return max(0.0, (2 * size - self.wrong) / (2 * size + self.wrong)) if size else 0.0

    def part(self, mask: Pixels) -> Area:
        """A part of it, wrong in proportion."""
        inside = Area(mask).size
        return Area(mask, self.wrong * inside / self.size if self.size else 0.0)


@dataclass(eq=False)
class Scene:
    """One picture while one phrase is read: the main subject, once found, is not looked for again."""

    picture: Picture
    found: dict[bool, Found | None] = field(default_factory=dict)

    @cached_property
    def view(self) -> View:
        """The small copies; NotGrounded in pictures too small to tell things apart."""
        if min(self.picture.size) < SMALLEST_SIDE:
            raise NotGrounded("This picture is too small to find things in it.", HINT)
        return look(self.picture)

    @cached_property
    def faces(self) -> list[Face]:
        """Those seen from the front."""
        return find(self.view)

    @cached_property
    def eyes(self) -> eyes_of.Pair | None:
        """Those of an animal seen from close up."""
        return None if self.faces else eyes_of.find(self.view)

    def main(self, alive: bool = True) -> Generator[float, None, Found | None]:
        """The main subject, or None where nothing stands out. `alive`: it may be an animal."""
        if alive not in self.found:
            self.found[alive] = yield from self._look_for_subject(alive)
        return self.found[alive]

    def _look_for_subject(self, alive: bool) -> Generator[float, None, Found | None]:
        if alive and self.eyes is not None and not self.view.clear.any():
            return (yield from eyes_of.animal(self.view, self.eyes))
        above = yield from sky(self.view)
        nothing = np.zeros(self.view.small.shape[:2], bool)
        elsewhere = above.mask if above is not None and above.confidence >= SURE else nothing
        return (yield from subject(self.view, elsewhere, self.faces))

    def subject(self, alive: bool = True) -> Look:
        """The main subject; NotGrounded where nothing stands out."""
        found = yield from self.main(alive)
        if found is None:
            raise NotGrounded("Nothing in this picture stands out enough to be its subject.", HINT)
        return found

    def enlarge(self, found: Found) -> Steps:
        """Something found on one of the view's copies, at the picture's size."""
        mask = found.mask
        if mask.shape != self.view.large.shape[:2]:
            mask = yield from refined(self.view, mask)
        small = mask.astype(np.uint8) * 255
        grown = yield from full_size(small, self.view.large, rgb_of(self.picture))
        return trusted(grown, found.confidence)


def rgb_of(picture: Picture) -> Pixels:
    """(H, W, 3) the colours of a picture of any mode."""
    return np.dstack([picture.pixels] * 3) if picture.mode == "L" else picture.rgb


def trusted(mask: Pixels, confidence: float) -> Area:
    """The area of a mask whose expected IoU is known."""
    return Area(mask, 2 * Area(mask).size * (1 - confidence) / (1 + confidence))


def _read(scene: Scene, phrase: Phrase) -> Steps:
    """The area of a phrase, from those of its parts."""
    match phrase:
        case Place():
            return Area(draw(phrase, scene.picture.size))
        case Not(inner=inner):
            area = yield from _read(scene, inner)
            return Area(cv2.bitwise_not(area.mask).astype(np.uint8), area.wrong)
        case Either(first=first, second=second):
            one, other = (yield from _read(scene, first)), (yield from _read(scene, second))
            return Area(np.maximum(one.mask, other.mask), one.wrong + other.wrong)
        case Within(inner=Place() as place, outer=outer):
            area = yield from _read(scene, outer)
            return area.part(_place_within(place, area.mask))
        case Within(inner=inner, outer=outer):
            one, other = (yield from _read(scene, inner)), (yield from _read(scene, outer))
            both = np.minimum(one.mask, other.mask)
            return Area(both, one.part(both).wrong + other.part(both).wrong)
        case At(inner=inner, place=place):
            area = yield from _read(scene, inner)
            inside = np.minimum(area.mask, draw(place, scene.picture.size))
            if Area(inside).size < MOSTLY * area.size:
                raise NotGrounded(f"The {name(inner)} found here is not at the {place.label}.", HINT)
            return area
        case Coloured(colour=colour, noun=noun):
            return (yield from _coloured(scene, colour, noun))
        case Thing():
            return (yield from _thing(scene, phrase))


def _place_within(place: Place, mask: Pixels) -> Pixels:
    """What of a mask lies at a place of the box around it."""
    out = np.zeros_like(mask)
    if (box := mask_box(mask)) is not None:
        x0, y0, x1, y1 = box
        out[y0:y1, x0:x1] = np.minimum(mask[y0:y1, x0:x1], draw(place, (x1 - x0, y1 - y0)))
    return out


def _coloured(scene: Scene, colour: str, noun: str) -> Steps:
    """All of a colour; if a thing was named that only its colour can find, its largest piece, as a guess."""
    found = coloured(scene.view, colour)
    if found is None:
        raise NotGrounded(f"Next to nothing in this picture is {colour}.", HINT)
    if noun:
        found = Found(largest(found.mask), min(GUESS, found.confidence))
    return (yield from scene.enlarge(found))


def _thing(scene: Scene, thing: Thing) -> Steps:
    """Something looked for by what it is."""
    match thing.kind:
        case "everything":
            area = Area(np.full(scene.picture.pixels.shape[:2], 255, np.uint8))
        case "background":
            found = yield from scene.subject()
            area = yield from scene.enlarge(found)
            area = Area(cv2.bitwise_not(area.mask).astype(np.uint8), area.wrong)
        case "face":
            area = yield from scene.enlarge((yield from _faces(scene, thing)))
        case "eyes":
            area = yield from scene.enlarge((yield from _eyes(scene, thing)))
        case "sky":
            area = yield from scene.enlarge((yield from _sky(scene)))
        case "ground":
            area = yield from scene.enlarge((yield from _ground(scene, thing)))
        case _:
            area = yield from scene.enlarge((yield from _subject(scene, thing)))
    _check_colour(scene, thing, area)
    return area


def _subject(scene: Scene, thing: Thing) -> Look:
    """The main subject, as what it was called. With a face in it, it is a person and nothing else."""
    found = yield from scene.subject(alive=known.singular(thing.word) in known.ANIMALS | known.MAIN)
    if thing.kind == "subject" and scene.faces and thing.word not in known.MAIN:
        raise NotGrounded(f"This looks like a picture of a person; the {thing.word} cannot be found by name.", HINT)
    if thing.word in known.MAIN or thing.group:
        return found
    if known.singular(thing.word) in known.ON_SAUCERS:
        apart = cup(found.mask)
        return Found(found.mask if apart is None else apart, min(GUESS, found.confidence))
    return Found(found.mask, min(GUESS, found.confidence)) if _two_alike(found.mask) else found


def _faces(scene: Scene, thing: Thing) -> Look:
    faces = scene.faces
    if not faces:
        raise NotGrounded("No face can be found in this picture; only faces seen from the front can.", HINT)
    found = yield from face(scene.view, faces)
    return found if thing.group or len(faces) == 1 else Found(found.mask, min(GUESS, found.confidence))


def _eyes(scene: Scene, thing: Thing) -> Look:
    if scene.eyes is None:
        raise NotGrounded("No eyes can be found in this picture; only an animal's seen from close up can.", HINT)
    found = yield from eyes_of.eyes(scene.view, scene.eyes)
    return found if thing.group else Found(found.mask, min(GUESS, found.confidence))


def _sky(scene: Scene) -> Look:
    found = yield from sky(scene.view)
    if found is None:
        raise NotGrounded("There is no sky to be seen at the top of this picture.", HINT)
    return found


def _ground(scene: Scene, thing: Thing) -> Look:
    """What lies below, around the main subject and not in the sky, if its colours fit the word."""
    view, taken = scene.view, scene.view.clear_small.copy()
    for other in ((yield from scene.main()), (yield from sky(view))):
        if other is not None and other.confidence >= GUESS:
            taken |= other.mask
    found = yield from ground_of(view, taken)
    if found is None:
        raise NotGrounded(f"The {thing.word} cannot be told from the rest of this picture.", HINT)
    return found


def _check_colour(scene: Scene, thing: Thing, area: Area) -> None:
    """NotGrounded if what was found has not the colours that were said, or that its name means."""
    colours, least = ((thing.colour,), 0.1) if thing.colour else (known.GROUND.get(thing.word, ()), 0.5)
    if not colours:
        return
    small = cv2.resize(area.mask, scene.view.large.shape[1::-1], interpolation=cv2.INTER_AREA) > 127
    fits = [found.mask for colour in colours if (found := coloured(scene.view, colour)) is not None]
    if not fits or np.any(fits, axis=0)[small].sum() < least * small.sum():
        raise NotGrounded(f"What may be the {thing.word} here is not {' or '.join(colours)}.", HINT)


def _two_alike(mask: Bools) -> bool:
    """Whether there are two pieces of about a size, so that one of them may be meant."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])
    return len(areas) > 1 and bool(areas[-2] > areas[-1] / 2)
