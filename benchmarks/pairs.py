"""How edits of one's own pictures are, by other people's networks from local folders: `pentimento eval pairs DIR`.

DIR holds a pairs.json (a list) or a pairs.jsonl (a record a line), each record a `Pair`. What a pair lacks a field or
a network for is None, with the reason. Measures pictures that are there; edits nothing and downloads nothing.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmarks.measure import interval
from benchmarks.perceptual import Eyes
from sessions import intake
from sessions.errors import BadArguments, Damaged, NotFound
from sessions.values import Pixels
from tools.encoders import Vectors

FILES = ("pairs.json", "pairs.jsonl")
STILL = 1e-4
"""Vectors of length 1 that lie closer than this differ by rounding only."""
INSIDE = 128
"""From where a mask's grey counts as the subject."""
Box = tuple[float, float, float, float]
Found = float | str
"""A number, or why there is none."""


class Pair(BaseModel):
    """One edit: files relative to DIR, and what was said of it.

    instruction: kept beside the figures. before_caption, after_caption: what the pictures show. reference: a picture
    of the subject that was to be put in. box: where the subject is, fractions x0, y0, x1, y1 from the top left; or
    mask: a grey picture, white there, whose bounding box counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: str = Field(min_length=1)
    after: str = Field(min_length=1)
    instruction: str = ""
    before_caption: str = ""
    after_caption: str = ""
    reference: str = ""
    box: Box | None = None
    mask: str = ""

    @model_validator(mode="after")
    def _one_region_inside(self) -> Pair:
        if self.box is not None and self.mask:
            raise ValueError("box and mask say the same; give one of them")
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
                raise ValueError(
                    "its box lies outside the picture; fractions 0 ≤ x0 < x1 ≤ 1, 0 ≤ y0 < y1 ≤ 1 are meant"
                )
        return self


def read(folder: Path) -> tuple[Pair, ...]:
    """The records of a folder. NotFound without them, Damaged for no JSON, BadArguments for a wrong record."""
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise NotFound(
            f"There is neither {FILES[0]} nor {FILES[1]} in {folder}.", "docs/measuring.md says what it holds."
        )
    try:
        text = path.read_text(encoding="utf-8")
        told = (
            json.loads(text)
            if path.suffix == ".json"
            else [json.loads(one) for one in text.splitlines() if one.strip()]
        )
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{path} is no JSON: {error}.", "docs/measuring.md says what it holds.") from error
    if not isinstance(told, list) or not told:
        raise Damaged(f"{path} holds no list of pairs.", "docs/measuring.md says what it holds.")
    return tuple(_pair(path, number, one) for number, one in enumerate(told, start=1))


def _pair(path: Path, number: int, told: object) -> Pair:
    try:
        return Pair.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise BadArguments(f"{path.name}, pair {number}: {f'{where}: ' if where else ''}{said}.") from None


@dataclass(frozen=True, eq=False)
class Seen:
    """A pair's pictures and what the networks make of them, each looked at once."""

    told: Pair
    eyes: Eyes
    before: Pixels
    after: Pixels
    reference: Pixels | None = None
    box: Box | None = None

    @cached_property
    def clip(self) -> Vectors:
        """(2, D): before and after; asked for only where there is a CLIP."""
        assert self.eyes.clip
        return self.eyes.clip.pictures([self.before, self.after])

    @cached_property
    def said(self) -> Vectors:
        """(2, D): the captions of both."""
        assert self.eyes.clip
        return self.eyes.clip.texts([self.told.before_caption, self.told.after_caption])


def seen(folder: Path, pair: Pair, eyes: Eyes) -> Seen:
    """The pictures of a pair; Refused or NotFound names one that cannot be had."""
    reference = _picture(folder, pair.reference) if pair.reference else None
    box = pair.box if not pair.mask else _bounds(pair.mask, _picture(folder, pair.mask))
    return Seen(pair, eyes, _picture(folder, pair.before), _picture(folder, pair.after), reference, box)


def _picture(folder: Path, name: str) -> Pixels:
    path = folder / name
    if not path.is_file():
        raise NotFound(f"There is no picture {path}.", f"Paths of {FILES[0]} are relative to {folder}.")
    found = intake.admit_file(path)
    if found.picture is None:
        raise BadArguments(f"{path} is a sound, and a picture is meant.")
    return found.picture.pixels


def _bounds(name: str, mask: Pixels) -> Box:
    """The fractions around what is white in a mask; BadArguments where nothing is."""
    grey = mask if mask.ndim == 2 else mask[..., :3].mean(2)
    rows, columns = (np.flatnonzero((grey >= INSIDE).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise BadArguments(f"The mask {name} is black: it marks no subject.")
    height, width = grey.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def cut(pixels: Pixels, box: Box) -> Pixels:
    """What lies in a box of fractions, whole pixels outwards."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = box
    return pixels[math.floor(y0 * height) : math.ceil(y1 * height), math.floor(x0 * width) : math.ceil(x1 * width)]


def cosine(a: Vectors, b: Vectors) -> float:
    """0 where one of them is."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths > 1e-12 else 0.0


def clip_dir(pair: Seen) -> Found:
    """Directional similarity: cos(E_I(after) − E_I(before), E_T(after) − E_T(before)) (Gal et al. 2021, 2108.00946).

    Embeddings have length 1. A picture that did not change went no way at all: 0.
    """
    if not (pair.told.before_caption and pair.told.after_caption):
        return "no captions of before and after"
    if pair.told.before_caption == pair.told.after_caption:
        return "both captions are the same"
    way = pair.clip[1] - pair.clip[0]
    return cosine(way, pair.said[1] - pair.said[0]) if np.linalg.norm(way) > STILL else 0.0


def clip_im(pair: Seen) -> Found:
    """CLIP's cosine of before and after."""
    return cosine(pair.clip[0], pair.clip[1])


def clip_out(pair: Seen) -> Found:
    """CLIP's cosine of the picture after and its caption."""
    return cosine(pair.clip[1], pair.said[1]) if pair.told.after_caption else "no caption of after"


def dino(pair: Seen) -> Found:
    """Cosine of DINO's class tokens of before and after."""
    return _alike(pair.eyes, pair.before, pair.after)


def dino_sub(pair: Seen) -> Found:
    """The same of what lies in the subject's box."""
    if pair.box is None:
        return "no box or mask"
    return _alike(pair.eyes, cut(pair.before, pair.box), cut(pair.after, pair.box))


def dino_ref(pair: Seen) -> Found:
    """The same of the reference and the picture after, or its box (DreamBooth, Ruiz et al., arXiv 2208.12242)."""
    if pair.reference is None:
        return "no reference"
    return _alike(pair.eyes, pair.reference, cut(pair.after, pair.box) if pair.box else pair.after)


def _alike(eyes: Eyes, one: Pixels, other: Pixels) -> float:
    assert eyes.dino
    a, b = eyes.dino.pictures([one, other])
    return cosine(a, b)


def lpips(pair: Seen) -> Found:
    """LPIPS's distance of before and after; less is more alike."""
    assert pair.eyes.lpips
    found = pair.eyes.lpips.between(pair.before, pair.after)
    return "the picture is too small" if found is None else found


def aesthetic(pair: Seen) -> Found:
    """The mark that LAION's predictor gives the picture after."""
    assert pair.eyes.aesthetic
    return pair.eyes.aesthetic.of(torch.from_numpy(pair.clip[1]))


METRICS: dict[str, tuple[tuple[str, ...], Callable[[Seen], Found]]] = {
    "CLIP_dir": (("clip",), clip_dir),
    "CLIP_im": (("clip",), clip_im),
    "CLIP_out": (("clip",), clip_out),
    "DINO": (("dino",), dino),
    "DINO_sub": (("dino",), dino_sub),
    "DINO_ref": (("dino",), dino_ref),
    "LPIPS": (("lpips",), lpips),
    "aesthetic": (("clip", "aesthetic"), aesthetic),
}
"""Each with the networks that it needs."""


def marks(pair: Seen) -> dict[str, Found]:
    """Every metric of a pair, or why there is none."""
    lacking = {name: [n for n in needs if getattr(pair.eyes, n) is None] for name, (needs, _) in METRICS.items()}
    return {name: f"no --{lacking[name][0]}" if lacking[name] else mark(pair) for name, (_, mark) in METRICS.items()}


def measured(folder: Path, eyes: Eyes) -> dict[str, Any]:
    """Means with 95 % bootstrap intervals, and every pair: what `--json` prints."""
    if not any((eyes.clip, eyes.dino, eyes.lpips)):
        raise BadArguments("Nothing to measure with.", "Give --clip FOLDER, --dino FOLDER or --lpips FILE.")
    told = read(folder)
    found = [marks(seen(folder, pair, eyes)) for pair in told]
    return {
        "pairs": len(told),
        "metrics": {name: summary([one[name] for one in found]) for name in METRICS},
        "per_pair": [_row(pair, one) for pair, one in zip(told, found, strict=True)],
    }


def summary(values: Sequence[Found]) -> dict[str, Any]:
    """Of one metric: mean, low and high, of how many pairs, and how many lack it for which reason."""
    numbers = [value for value in values if not isinstance(value, str)]
    mean, low, high = interval(numbers) if numbers else (None, None, None)
    lacking = Counter(value for value in values if isinstance(value, str))
    return {"mean": mean, "low": low, "high": high, "pairs": len(numbers), "missing": dict(lacking)}


def _row(pair: Pair, found: Mapping[str, Found]) -> dict[str, Any]:
    numbers = {name: None if isinstance(value, str) else round(value, 4) for name, value in found.items()}
    lacking = {name: value for name, value in found.items() if isinstance(value, str)}
    said = {"before": pair.before, "after": pair.after, "instruction": pair.instruction}
    return said | numbers | {"missing": lacking}


def table(found: Mapping[str, Any]) -> Iterator[str]:
    """The summary in lines for people."""
    yield f"{found['pairs']} pairs; mean and 95 % interval"
    for name, one in found["metrics"].items():
        why = ", ".join(f"{count}: {reason}" for reason, count in one["missing"].items())
        if one["mean"] is None:
            yield f"{name:<10} none                        {why}"
            continue
        figures = f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
        yield f"{name:<10} {figures:<26}  of {one['pairs']}{f'; {why}' if why else ''}"
