"""How well `analogy` does to B what was done from A to A', where A' = F(A) by a filter F, so that F(B) is the truth.

    python -m benchmarks.analogy [--json [PATH]] [--sheet FOLDER]

Filters work in units of 1/512 of the longer side, as tools do. Baselines: B as it is, and B with the colours of A'
(mean and standard deviation of each channel in Lab, Reinhard et al. 2001). Bounds, for every pair of photos:

* `emboss`, `edges`, `pencil`: SSIM with F(B) at least 0.10 above both baselines.
* `hatching`: orientation distance to F(B) at most half that of both baselines. It is half the L1 distance of two
  histograms of luma's gradients, 12 directions of 30°, each pixel counting by its magnitude if that is above 2.
* `sepia`, `warm`, `dark`: PSNR with F(B) at least 6 dB above both baselines.

`grain` has no bound and is shown for its orientation distance. Says nothing about changes made by hand.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from sessions.values import Picture, Pixels
from tools.base import EditContext, drain
from tools.edits.darkroom.analogy import Args, analogy
from tools.pixels import Floats

PAIRS = (("coffee", "chelsea"), ("astronaut", "rocket"), ("rocket", "coffee"), ("chelsea", "astronaut"))
GAIN_SSIM, GAIN_PSNR, RATIO = 0.10, 6.0, 0.5
DIRECTIONS = 12
SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], np.float32)


def photo(name: str) -> Pixels:
    """A bundled photo, (H, W, 3)."""
    return np.ascontiguousarray(getattr(skimage.data, name)()[..., :3])


def unit(rgb: Pixels) -> float:
    """1/512 of the longer side, in pixels."""
    return max(rgb.shape[:2]) / 512


def luma(rgb: Pixels, sigma: float = 0.0) -> Floats:
    """0…1, smoothed by `sigma` units."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma * unit(rgb)) if sigma else grey, np.float32)


def coded(values: Floats) -> Pixels:
    """0…1 → bytes; a plane becomes three."""
    planes = values if values.ndim == 3 else np.dstack([values] * 3)
    return np.clip(np.rint(planes * 255), 0, 255).astype(np.uint8)


def emboss(rgb: Pixels) -> Pixels:
    """Relief lit from the upper left."""
    grey, u = luma(rgb, 0.8), unit(rgb)
    size = grey.shape[::-1]
    up, down = (
        cv2.warpAffine(grey, np.array([[1, 0, d], [0, 1, d]]), size, borderMode=cv2.BORDER_REPLICATE) for d in (-u, u)
    )
    return coded(0.5 + 2.5 * (up - down))


def edges(rgb: Pixels) -> Pixels:
    """Black outlines: one minus Sobel's magnitude."""
    grey = luma(rgb, 1.0)
    slope = np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)) * unit(rgb)
    return coded(1 - 1.2 * slope)


def pencil(rgb: Pixels) -> Pixels:
    """Winnemöller's thresholded difference of Gaussians (XDoG, 2012)."""
    difference = luma(rgb, 1.0) - np.float32(0.98) * luma(rgb, 1.6)
    return coded(0.95 * np.where(difference > 0, 1, 1 + np.tanh(60 * difference)))


def hatching(rgb: Pixels) -> Pixels:
    """Ink strokes on warm paper, in one to three directions the darker it is."""
    grey, u = luma(rgb, 2.0), unit(rgb)
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]] / u
    out = np.ones(grey.shape)
    for threshold, degrees in ((0.75, 45), (0.5, 135), (0.28, 20)):
        t = np.deg2rad(degrees)
        wave = 0.5 + 0.5 * np.cos(2 * np.pi * (x * np.sin(t) + y * np.cos(t)) / 7)
        out *= 1 - 0.8 * np.clip((threshold - grey) * 4, 0, 1) * np.clip((wave - 0.5) * 3, 0, 1)
    return coded(out[..., None] * np.array([1.0, 0.97, 0.92]))


def grain(rgb: Pixels) -> Pixels:
    """Grey noise, one pixel fine."""
    noise = np.random.default_rng(rgb.size).normal(0, 0.06, rgb.shape[:2])
    return coded(rgb / 255 + noise[..., None])


def sepia(rgb: Pixels) -> Pixels:
    return coded(np.minimum(1, rgb.astype(np.float32) / 255 @ SEPIA.T))


def warm(rgb: Pixels) -> Pixels:
    return coded(rgb / 255 * np.array([1.12, 1.0, 0.82]))


def dark(rgb: Pixels) -> Pixels:
    return coded(0.9 * (rgb / 255) ** 1.7)


Filter = Callable[[Pixels], Pixels]
DRAWN: dict[str, Filter] = {"emboss": emboss, "edges": edges, "pencil": pencil}
STROKES: dict[str, Filter] = {"hatching": hatching}
COLOURS: dict[str, Filter] = {"sepia": sepia, "warm": warm, "dark": dark}
FILTERS: dict[str, Filter] = DRAWN | STROKES | COLOURS | {"grain": grain}


def palette(b: Pixels, like: Pixels) -> Pixels:
    """B with mean and standard deviation of each Lab channel of another picture."""
    lab, other = (cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (b, like))
    axes = (0, 1)
    scaled = (lab - lab.mean(axes)) / np.maximum(lab.std(axes), 1e-3) * other.std(axes) + other.mean(axes)
    return coded(cv2.cvtColor(scaled.astype(np.float32), cv2.COLOR_LAB2RGB))


def ssim(a: Pixels, b: Pixels) -> float:
    return float(structural_similarity(a, b, channel_axis=2))


def psnr(a: Pixels, b: Pixels) -> float:
    """In dB; 99 where they are equal."""
    return 99.0 if np.array_equal(a, b) else float(peak_signal_noise_ratio(b, a))


def directions(rgb: Pixels) -> NDArray[np.float64]:
    """The histogram of the docstring, (12,), sums to 1."""
    gy, gx = np.gradient(luma(rgb).astype(np.float64) * 255)
    magnitude = np.hypot(gx, gy)
    which = np.rint(np.arctan2(gy, gx) / (np.pi / DIRECTIONS)).astype(int) % DIRECTIONS
    counts = np.bincount(which.ravel(), (magnitude * (magnitude > 2)).ravel(), DIRECTIONS)
    return counts / max(counts.sum(), 1e-9)


def orientation_distance(a: Pixels, b: Pixels) -> float:
    """0 same directions … 1 none in common."""
    return float(np.abs(directions(a) - directions(b)).sum() / 2)


def ours(a: Pixels, changed: Pixels, b: Pixels, amount: float = 1.0) -> Pixels:
    """What a user gets."""
    context = EditContext(Picture(b.copy()), subjects=(Picture(a.copy()), Picture(changed.copy())))
    return drain(analogy.run(context, Args(amount=amount))).image.pixels


@dataclass(frozen=True)
class Score:
    """One filter on one pair; each figure for our picture, plain B, and B in the palette of A'."""

    filter: str
    pair: str
    ssim: tuple[float, float, float]
    orientation: tuple[float, float, float]
    psnr: tuple[float, float, float]
    seconds: float
    passed: bool


def passed(name: str, ssims: list[float], turns: list[float], psnrs: list[float]) -> bool:
    """Whether the bound of a filter is kept; the first of each list is ours, the rest are baselines."""
    if name in DRAWN:
        return ssims[0] >= max(ssims[1:]) + GAIN_SSIM
    if name in STROKES:
        return turns[0] <= RATIO * min(turns[1:])
    return name not in COLOURS or psnrs[0] >= max(psnrs[1:]) + GAIN_PSNR


def measure(name: str, pair: tuple[str, str]) -> tuple[Score, list[Pixels]]:
    """The figures, and A, A', B, F(B) and our picture."""
    a, b = (photo(n) for n in pair)
    changed, truth = FILTERS[name](a), FILTERS[name](b)
    start = time.perf_counter()
    mine = ours(a, changed, b)
    seconds = round(time.perf_counter() - start, 1)
    candidates = (mine, b, palette(b, changed))
    figures = [[f(p, truth) for p in candidates] for f in (ssim, orientation_distance, psnr)]
    rounded = [(round(x, 3), round(y, 3), round(z, 3)) for x, y, z in figures]
    return Score(name, " → ".join(pair), *rounded, seconds, passed(name, *figures)), [a, changed, b, truth, mine]


def sheet(rows: list[list[Pixels]], tile: int = 300) -> Pixels:
    """All pictures, each `tile` pixels high, a row per pair."""
    lines = []
    for row in rows:
        views = [cv2.resize(p, (p.shape[1] * tile // p.shape[0], tile), interpolation=cv2.INTER_AREA) for p in row]
        lines.append(np.hstack([np.pad(v, ((2, 2), (2, 2), (0, 0))) for v in views]))
    width = max(line.shape[1] for line in lines)
    return np.vstack([np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines])


def main(argv: list[str] | None = None) -> None:
    """Measure all filters on all pairs; print a table, or JSON with `--json`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", nargs="?", const="-", metavar="PATH", help="write JSON, to stdout without PATH")
    parser.add_argument("--sheet", type=Path, metavar="FOLDER", help="write a picture per filter: A, A', B, F(B), ours")
    args = parser.parse_args(argv)
    scores = []
    for name in FILTERS:
        measured = [measure(name, pair) for pair in PAIRS]
        scores += [score for score, _ in measured]
        if args.sheet:
            shown = sheet([pictures for _, pictures in measured])
            cv2.imwrite(str(args.sheet / f"{name}.png"), cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
    total = {"passed": sum(s.passed for s in scores), "of": len(scores), "seconds": sum(s.seconds for s in scores)}
    text = json.dumps({"benchmark": "analogy", **total, "scores": [asdict(s) for s in scores]})
    if args.json == "-":
        print(text)
        return
    for s in scores:
        print(
            f"{s.filter:9} {s.pair:22} ssim {s.ssim} orientation {s.orientation} psnr {s.psnr} {s.seconds} {s.passed}"
        )
    print(total)
    if args.json:
        Path(args.json).write_text(text)


if __name__ == "__main__":
    main()
