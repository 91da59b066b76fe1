"""How well `remove` fills a hole: holes cut into bundled photos, compared with OpenCV's Telea inpainting.

    python -m benchmarks.remove [--json [PATH]] [--sheet PATH]

Measured per hole, with the true content known:

* **Gradient-histogram distance**, 0 = same texture … 1 = nothing in common. Luminance of the whole filled picture,
  central differences, gradients of the pixels inside the hole counted in 25 bins: one for magnitudes below 2 (a flat
  pixel has no direction), and 6 magnitudes (edges 2, 4, 8, 16, 32, 64, ∞) × 4 orientations modulo 180° (45° wide,
  centred on 0°, 45°, 90°, 135°). Both histograms sum to 1; the distance to the truth's histogram is half their L1
  distance (total variation). Pixels at the hole's rim see their known neighbours, so seams count.
* **PSNR** in dB over the three channels of the hole's pixels.

Bounds: mean distance ≤ 0.6 × Telea's, smaller than Telea's in at least three quarters of the holes, mean PSNR at most
2.5 dB below Telea's. Places, sizes (3–8 % of the picture, or 24–80 px across) and shapes are drawn from `HOLES_SEED`;
photos, seed, metric and bounds were fixed before the algorithm was tuned. Says nothing about removing real objects,
for which there is no truth.
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
from numpy.typing import NDArray

from sessions.values import Picture, Pixels
from tools.base import EditContext, drain
from tools.edits.darkroom.remove import Args, remove
from tools.pixels import composite, mask_box

HOLES_SEED = 2026
PHOTOS = {"brick": 4, "grass": 4, "gravel": 4, "astronaut": 3, "chelsea": 3, "coffee": 3, "rocket": 3}
TEXTURES = ("brick", "grass", "gravel")
SHAPES = ("disc", "ellipse", "blob", "rectangle")
TELEA_RADIUS = 5
MAGNITUDES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
ORIENTATIONS = 4
BOUND_RATIO, BOUND_WINS, BOUND_PSNR = 0.6, 0.75, -2.5


@dataclass(frozen=True, eq=False)
class Hole:
    """One case: a photo (H, W, 3) and the mask (H, W), 255 = cut out."""

    name: str
    photo: Pixels
    mask: Pixels


@dataclass(frozen=True)
class Score:
    """One hole's figures; distances and PSNR as the module's docstring defines them."""

    hole: str
    pixels: int
    distance: float
    distance_telea: float
    psnr: float
    psnr_telea: float
    seconds: float


def photo(name: str) -> Pixels:
    """A bundled photo as (H, W, 3) uint8."""
    pixels = getattr(skimage.data, name)()
    return np.ascontiguousarray(np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels[..., :3])


def outline(shape: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Corner points (n, 2) of a shape around the origin, of any size."""
    if shape == "rectangle":
        return np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [1.0, rng.uniform(0.4, 1.0)]
    t = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    radius = np.ones_like(t)
    if shape == "blob":
        for k in (2, 3, 4, 5):
            radius = radius + rng.normal(0, 0.25 / k) * np.cos(k * t + rng.uniform(0, 2 * np.pi))
    squash = rng.uniform(0.4, 0.8) if shape == "ellipse" else 1.0
    turn = rng.uniform(0, np.pi)
    x, y = radius * np.cos(t), radius * np.sin(t) * squash
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1)


def draw_hole(size: tuple[int, int], shape: str, by_share: bool, rng: np.random.Generator) -> Pixels:
    """A mask of `size` (H, W) with one shape in it, at least 8 px from the border."""
    height, width = size
    points = outline(shape, rng)
    points -= (points.min(axis=0) + points.max(axis=0)) / 2
    if by_share:
        area = cv2.contourArea(points.astype(np.float32))
        points *= np.sqrt(rng.uniform(0.03, 0.08) * height * width / area)
    else:
        points *= rng.uniform(24, 80) / np.ptp(points, axis=0).max()
    half = np.ptp(points, axis=0) / 2 + 8
    centre = [rng.uniform(half[0], width - half[0]), rng.uniform(half[1], height - half[1])]
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.rint(points + centre).astype(np.int32)], 255)
    return mask


def holes(seed: int = HOLES_SEED) -> list[Hole]:
    """The cases of the benchmark, always the same for one seed."""
    names = [name for name, count in PHOTOS.items() for _ in range(count)]
    cases = []
    for i, name in enumerate(names):
        rng, pixels, shape = np.random.default_rng([seed, i]), photo(name), SHAPES[i % len(SHAPES)]
        mask = draw_hole(pixels.shape[:2], shape, bool((i + i // 4) % 2), rng)
        cases.append(Hole(f"{i:02d} {name} {shape}", pixels, mask))
    return cases


def gradient_histogram(pixels: Pixels, mask: Pixels) -> NDArray[np.float64]:
    """The 25-bin histogram of the docstring, for pixels (H, W, 3) where mask (H, W) > 0. Sums to 1."""
    luma = cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_RGB2GRAY).astype(np.float64)
    gy, gx = np.gradient(luma)
    gx, gy = gx[mask > 0], gy[mask > 0]
    level = np.searchsorted(MAGNITUDES, np.hypot(gx, gy), side="right")
    direction = np.rint(np.arctan2(gy, gx) / (np.pi / ORIENTATIONS)).astype(int) % ORIENTATIONS
    bins = np.where(level == 0, 0, 1 + (level - 1) * ORIENTATIONS + direction)
    return np.bincount(bins, minlength=1 + len(MAGNITUDES) * ORIENTATIONS) / bins.size


def gradient_distance(pixels: Pixels, truth: Pixels, mask: Pixels) -> float:
    """Total variation between the gradient histograms of two pictures inside the mask, 0…1."""
    return float(np.abs(gradient_histogram(pixels, mask) - gradient_histogram(truth, mask)).sum() / 2)


def psnr(pixels: Pixels, truth: Pixels, mask: Pixels) -> float:
    """PSNR in dB inside the mask."""
    error = pixels[mask > 0].astype(np.float64) - truth[mask > 0]
    return float(10 * np.log10(255**2 / max(1e-9, (error**2).mean())))


def cut(hole: Hole) -> Pixels:
    """The photo with the hole painted magenta: what is inside must not help anybody."""
    pixels = hole.photo.copy()
    pixels[hole.mask > 0] = (255, 0, 255)
    return pixels


def telea(hole: Hole) -> Pixels:
    """The baseline."""
    return cv2.inpaint(cut(hole), hole.mask, TELEA_RADIUS, cv2.INPAINT_TELEA)


def ours(hole: Hole, seed: int = 0) -> Pixels:
    """What a user gets: the tool's picture, composited as the executor does it."""
    base = Picture(cut(hole))
    result = drain(remove.run(EditContext(base, hole.mask, seed=seed), Args()))
    return composite(base, result.image, hole.mask if result.mask is None else result.mask).pixels


def measure(hole: Hole) -> tuple[Score, Pixels, Pixels]:
    """(figures, Telea's picture, our picture) of one case."""
    start = time.perf_counter()
    mine = ours(hole)
    seconds = time.perf_counter() - start
    other, truth, mask = telea(hole), hole.photo, hole.mask
    return (
        Score(
            hole.name,
            int((mask > 0).sum()),
            gradient_distance(mine, truth, mask),
            gradient_distance(other, truth, mask),
            psnr(mine, truth, mask),
            psnr(other, truth, mask),
            seconds,
        ),
        other,
        mine,
    )


def summary(scores: list[Score]) -> dict[str, Any]:
    """The figures that have bounds, and whether they are kept."""
    ratio = float(np.mean([s.distance for s in scores]) / np.mean([s.distance_telea for s in scores]))
    wins = sum(s.distance < s.distance_telea for s in scores)
    gain = float(np.mean([s.psnr - s.psnr_telea for s in scores]))
    return {
        "holes": len(scores),
        "distance_ratio": round(ratio, 3),
        "wins": wins,
        "psnr_minus_telea": round(gain, 2),
        "seconds": round(sum(s.seconds for s in scores), 1),
        "passed": ratio <= BOUND_RATIO and wins >= BOUND_WINS * len(scores) and gain >= BOUND_PSNR,
    }


def sheet_row(hole: Hole, *pictures: Pixels, tile: int = 240) -> Pixels:
    """The hole's surroundings in each picture, side by side, each (tile, tile, 3)."""
    x0, y0, x1, y1 = mask_box(hole.mask) or (0, 0, 1, 1)
    height, width = hole.mask.shape
    side = min(height, width, int(max(x1 - x0, y1 - y0) * 1.8))
    left = int(np.clip((x0 + x1 - side) // 2, 0, width - side))
    top = int(np.clip((y0 + y1 - side) // 2, 0, height - side))
    views = [p[top : top + side, left : left + side] for p in pictures]
    resized = [cv2.resize(v, (tile, tile), interpolation=cv2.INTER_LANCZOS4) for v in views]
    return np.pad(np.hstack(resized), ((0, 4), (0, 0), (0, 0)))


def print_table(scores: list[Score]) -> None:
    print(f"{'hole':24} {'pixels':>7} {'distance':>9} {'Telea':>7} {'PSNR':>6} {'Telea':>6} {'s':>5}")
    for s in scores:
        figures = f"{s.distance:9.3f} {s.distance_telea:7.3f} {s.psnr:6.1f} {s.psnr_telea:6.1f} {s.seconds:5.1f}"
        print(f"{s.hole:24} {s.pixels:7d} {figures}")


def main(argv: list[str] | None = None) -> None:
    """Measure all holes; print a table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", nargs="?", const="-", metavar="PATH", help="write JSON, to stdout without PATH")
    parser.add_argument("--sheet", type=Path, metavar="PATH", help="write a contact sheet: truth, hole, Telea, ours")
    args = parser.parse_args(argv)
    scores, rows = [], []
    for hole in holes():
        score, other, mine = measure(hole)
        scores.append(score)
        rows.append(sheet_row(hole, hole.photo, cut(hole), other, mine))
    total = summary(scores)
    text = json.dumps({"benchmark": "remove", "seed": HOLES_SEED, **total, "scores": [asdict(s) for s in scores]})
    if args.sheet:
        half = (len(rows) + 1) // 2
        columns = [np.vstack(rows[:half]), np.vstack(rows[half:])]
        cv2.imwrite(str(args.sheet), cv2.cvtColor(np.hstack(columns), cv2.COLOR_RGB2BGR))
    if args.json == "-":
        print(text)
        return
    print_table(scores)
    print(total)
    if args.json:
        Path(args.json).write_text(text)


if __name__ == "__main__":
    main()
