"""How well words find regions: masks drawn by hand on bundled photos, against what `tools.regions` makes of the words.

    python -m benchmarks.regions [--json [PATH]] [--sheet PNG]

For each pair of photo and words: whether the region would be used without asking (confidence ≥ SURE), shown and asked
about, or refused; the IoU with the drawn mask, once over all pixels and once without those that the drawer marked as
open to either reading; seconds. Bounds, over the pairs that are not held out: every region that is used has an IoU of
at least .60, their mean is at least .80, and at least 9 are used. IoU here is the one without the open pixels.

Held-out pairs are on photos that nobody looked at while the method was made; they are reported beside, without bounds.
Masks and how they were drawn: `tests/masks/pairs.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data
import sklearn.datasets
from skimage.draw import polygon2mask

from sessions.errors import NotGrounded
from sessions.values import Picture, Pixels, Region
from tools.grounding.cuts import Bools, iou
from tools.regions import SURE, Grounding, ground

PAIRS = Path(__file__).parents[1] / "tests" / "masks" / "pairs.json"
FOLDERS = (Path(skimage.data.__file__).parent, Path(sklearn.datasets.__file__).parent / "images")
BOUND_LEAST, BOUND_MEAN, BOUND_USED = 0.60, 0.80, 9


@dataclass(frozen=True, eq=False)
class Pair:
    """Words about a photo, and what they mean: truth (H, W); `open`: (H, W) where either reading is fair."""

    photo: str
    words: str
    held_out: bool
    truth: Bools
    open: Bools


@dataclass(frozen=True)
class Score:
    """One pair's figures. `outcome`: used, asked or refused; `iou` leaves out the open pixels, `iou_all` does not."""

    pair: str
    held_out: bool
    outcome: str
    confidence: float
    iou: float
    iou_all: float
    seconds: float


def photo(name: str) -> Pixels:
    """A bundled photo, (H, W, 3)."""
    path = next(folder / name for folder in FOLDERS if (folder / name).exists())
    return np.ascontiguousarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB))


def drawn(shape: dict[str, Any], size: tuple[int, int]) -> Bools:
    """(H, W) the union of the polygons without the holes; a pixel is in when its centre is."""
    mask = np.zeros((size[1], size[0]), bool)
    for key, inside in (("polygons", True), ("holes", False)):
        for points in shape.get(key, []):
            mask[polygon2mask(mask.shape, np.array(points, float)[:, ::-1] - 0.5)] = inside
    return mask


def pairs() -> list[Pair]:
    """All pairs, in the order in which they were drawn."""
    found = []
    for entry in json.loads(PAIRS.read_text())["pairs"]:
        size = tuple(entry["size"])
        truth = drawn(entry, size) ^ bool(entry.get("complement"))
        unsure = drawn(entry.get("unsure") or {}, size)
        found.append(Pair(entry["photo"], entry["words"], bool(entry.get("held_out")), truth, unsure))
    return found


def measure(pair: Pair) -> tuple[Score, Grounding | None]:
    """One pair's figures, and what was found."""
    picture = Picture(photo(pair.photo))
    name = f"{Path(pair.photo).stem}: {pair.words}"
    start = time.perf_counter()
    try:
        found = ground(picture, Region(words=pair.words))
    except NotGrounded:
        return Score(name, pair.held_out, "refused", 0.0, 0.0, 0.0, time.perf_counter() - start), None
    seconds = time.perf_counter() - start
    mask, certain = found.mask > 127, ~pair.open
    outcome = "used" if found.confidence >= SURE else "asked"
    figures = iou(mask & certain, pair.truth & certain), iou(mask, pair.truth)
    return Score(name, pair.held_out, outcome, found.confidence, *figures, seconds), found


def summary(scores: list[Score]) -> dict[str, Any]:
    """How many were used, and how good they are."""
    used = [s.iou for s in scores if s.outcome == "used"]
    least, mean = (min(used), float(np.mean(used))) if used else (0.0, 0.0)
    return {
        "pairs": len(scores),
        "used": len(used),
        "asked": sum(s.outcome == "asked" for s in scores),
        "refused": sum(s.outcome == "refused" for s in scores),
        "least_iou_used": round(least, 3),
        "mean_iou_used": round(mean, 3),
        "passed": least >= BOUND_LEAST and mean >= BOUND_MEAN and len(used) >= BOUND_USED,
    }


def tile(pair: Pair, score: Score, found: Grounding | None, width: int = 400, height: int = 300) -> Pixels:
    """The photo with what was found tinted, its edge yellow and the drawn edge cyan."""
    view = photo(pair.photo)
    if found is not None:
        tint = view * 0.55 + np.array([255, 0, 200]) * 0.45
        view = np.where(found.mask[..., None] > 127, tint, view).astype(np.uint8)
        for mask, colour in ((pair.truth, (0, 255, 255)), (found.mask > 127, (255, 255, 0))):
            lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(view, lines, -1, colour, 1)
    scale = min(width / view.shape[1], (height - 20) / view.shape[0])
    view = cv2.resize(view, (round(view.shape[1] * scale), round(view.shape[0] * scale)), interpolation=cv2.INTER_AREA)
    out = np.zeros((height, width, 3), np.uint8)
    out[20 : 20 + view.shape[0], : view.shape[1]] = view
    text = f"{score.pair}  {score.outcome} {score.confidence:.2f}  IoU {score.iou:.2f}"
    cv2.putText(out, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def write_sheet(tiles: list[Pixels], path: Path, columns: int = 4) -> None:
    """All tiles in rows."""
    tiles = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def print_table(scores: list[Score]) -> None:
    print(f"{'pair':34} {'outcome':8} {'conf.':>5} {'IoU':>6} {'(all)':>6} {'s':>5}")
    for s in sorted(scores, key=lambda s: s.held_out):
        held = " held out" if s.held_out else ""
        print(f"{s.pair:34} {s.outcome:8} {s.confidence:5.2f} {s.iou:6.3f} {s.iou_all:6.3f} {s.seconds:5.2f}{held}")


def main(argv: list[str] | None = None) -> None:
    """Measure all pairs; print a table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", nargs="?", const="-", metavar="PATH", help="write JSON, to stdout without PATH")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="write a contact sheet of all pairs")
    args = parser.parse_args(argv)
    scores, tiles = [], []
    for pair in pairs():
        score, found = measure(pair)
        scores.append(score)
        tiles.append(tile(pair, score, found))
    total = summary([s for s in scores if not s.held_out])
    beside = summary([s for s in scores if s.held_out])
    result = {"benchmark": "regions", "sure": SURE, **total, "held_out": beside, "scores": [asdict(s) for s in scores]}
    if args.sheet:
        write_sheet(tiles, args.sheet)
    if args.json == "-":
        print(json.dumps(result))
        return
    print_table(scores)
    print(total, "held out:", beside, sep="\n")
    if args.json:
        Path(args.json).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
