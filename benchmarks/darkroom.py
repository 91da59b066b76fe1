"""How fast the darkroom tools are on 12 megapixels, against the library calls they are made of.

    python -m benchmarks.darkroom [--json [PATH]] [--only NAME …]

For every darkroom tool: seconds, seconds of the bare calls, their ratio, the longest time between two yields, and the
number of yields. Seconds are processor seconds of one thread (the machine may be busy), the best of some runs. The
bare calls are those of OpenCV that the tool's docstring promises, with nothing around them: no reading out of the
picture, no writing back, no masks, no yields. Calls on single pixels are made band by band where that is faster, as
anybody would who wants speed. Bounds: ratio ≤ 1.5, gap ≤ 0.2 s. A tool without calls in CALLS is timed without ratio.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from math import hypot
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.measure import photo, seconds
from sessions.values import Picture, Pixels
from tools import registry
from tools.base import EditContext, Tool

BOUND_RATIO, BOUND_GAP = 1.5, 0.2
ROWS = 64
TABLE8 = np.linspace(0, 1, 256).astype(np.float32)
TABLE16 = np.arange(65536).astype(np.uint16)
TABLE16_8 = (TABLE16 >> 8).astype(np.uint8)
MATRIX = np.eye(3, dtype=np.float32)


@dataclass(frozen=True)
class Calls:
    """A tool's arguments, and the calls it comes down to: `once` on the picture, `bands` on each ROWS rows."""

    args: dict[str, Any] = field(default_factory=dict)
    once: Callable[[Pixels], Any] | None = None
    bands: Callable[[Pixels], Any] | None = None

    def __call__(self, pixels: Pixels) -> None:
        if self.once:
            self.once(pixels)
        for top in range(0, pixels.shape[0] if self.bands else 0, ROWS):
            self.bands(pixels[top : top + ROWS])


@dataclass(frozen=True)
class Row:
    """What was measured for one tool; seconds."""

    tool: str
    seconds: float
    bare: float | None
    ratio: float | None
    gap: float
    yields: int
    passed: bool


def coded(light: Any) -> Any:
    """Linear float32 → coded, 16 bits."""
    return cv2.LUT(cv2.addWeighted(light, 65535.0, light, 0.0, 0.0, dtype=cv2.CV_16U), TABLE16)


def coded_bytes(light: Any) -> Any:
    return cv2.LUT(cv2.addWeighted(light, 65535.0, light, 0.0, 0.0, dtype=cv2.CV_16U), TABLE16_8)


def thrice(plane: Any) -> Any:
    return cv2.merge([plane, plane, plane])


def extremes(rgb: Any) -> tuple[Any, Any]:
    r, g, b = cv2.split(rgb)
    return cv2.min(cv2.min(r, g), b), cv2.max(cv2.max(r, g), b)


def hold_hue(x: Any) -> Any:
    """A table on coded float32, and the middle channel put back halfway."""
    out = coded_bytes(x)
    low, high = extremes(x)
    new_low, new_high = (plane.astype(np.float32) for plane in extremes(out))
    k = cv2.divide(cv2.subtract(new_high, new_low), cv2.subtract(high, low))
    held = cv2.add(cv2.multiply(x, thrice(k)), thrice(cv2.subtract(new_low, cv2.multiply(k, low))))
    return cv2.addWeighted(out, 0.5, held, 0.5, 0.0, dtype=cv2.CV_8U)


def shrunk(rgb: Pixels, side: int) -> Any:
    height, width = rgb.shape[:2]
    return cv2.resize(rgb, (side, round(side * height / width)), interpolation=cv2.INTER_AREA)


def base_layer(small: Pixels) -> Any:
    """The box means of a guided filter on luma."""
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return [cv2.blur(luma, (41, 41)) for _ in range(6)]


def adjust(rgb: Pixels) -> Any:
    """The sliders; the base layer is made beforehand and enlarged here."""
    height, width = rgb.shape[:2]
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    few = np.ones((max(1, height // 4), 1024), np.float32)
    a, b = (cv2.resize(few, (width, height)) for _ in range(2))
    base = cv2.add(cv2.multiply(a, luma), b)
    peak = extremes(rgb)[1].astype(np.float32)
    dark, bright = cv2.max(base, peak), cv2.min(base, luma)
    stops = cv2.add(cv2.multiply(dark, dark), cv2.multiply(cv2.multiply(bright, bright), bright))
    light = cv2.transform(cv2.LUT(rgb, TABLE8), MATRIX)
    light = cv2.multiply(light, thrice(cv2.exp(stops)))
    x = cv2.multiply(coded(light), (1.0, 1.0, 1.0, 0.0), dtype=cv2.CV_32F)
    y = coded(cv2.transform(light, MATRIX[:1])).astype(np.float32)
    low, high = extremes(x)
    p = cv2.max(cv2.divide(cv2.subtract(high, y), y), cv2.divide(cv2.subtract(y, low), y))
    t = cv2.divide(y, cv2.add(p, y))
    x = cv2.add(cv2.multiply(x, thrice(t)), thrice(cv2.subtract(y, cv2.multiply(t, y))))
    return hold_hue(x)


def auto(rgb: Pixels) -> Any:
    return hold_hue(coded(cv2.transform(cv2.LUT(rgb, TABLE8), MATRIX)).astype(np.float32))


def monochrome(rgb: Pixels) -> Any:
    grey = coded_bytes(cv2.transform(cv2.LUT(rgb, TABLE8), MATRIX[:1]))
    return cv2.LUT(thrice(grey), np.zeros((1, 256, 3), np.uint8))


def vignette(rgb: Pixels) -> Any:
    gain = cv2.pow(np.ones(rgb.shape[:2], np.float32), -1.25)
    return coded_bytes(cv2.multiply(cv2.LUT(rgb, TABLE8), thrice(gain)))


def blur(rgb: Pixels) -> Any:
    """At amount 0.5 of 12 megapixels σ = 39: means over 9×9 blocks, a small Gaussian, and back."""
    height, width = rgb.shape[:2]
    light = cv2.LUT(rgb, TABLE8)
    small = cv2.resize(light, (width // 9, height // 9), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (33, 33), 4.3)
    return coded_bytes(cv2.resize(soft, (width, height)))


def sharpen(rgb: Pixels) -> Any:
    sigma = hypot(4000, 3000) / 3000
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    g = grey.astype(np.float32)
    d = cv2.subtract(g, cv2.GaussianBlur(g, (11, 11), sigma))
    d2 = cv2.multiply(d, d)
    sharp = cv2.add(g, cv2.divide(cv2.multiply(d, d2), cv2.add(d2, d2)))
    near = np.ones((7, 7), np.uint8)
    low, high = cv2.erode(grey, near).astype(np.float32), cv2.dilate(grey, near).astype(np.float32)
    added = cv2.subtract(cv2.min(cv2.max(sharp, low), high), g)
    return cv2.add(rgb, thrice(added), dtype=cv2.CV_8U)


def denoise(rgb: Pixels) -> Any:
    """Non-local means on luma and on chroma, each whole in one call."""
    ycc = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)
    luma, chroma = np.ascontiguousarray(ycc[..., 0]), np.ascontiguousarray(ycc[..., 1:])
    calm = [cv2.fastNlMeansDenoising(plane, None, 3.0, 5, 15) for plane in (luma, chroma)]
    change = cv2.transform(cv2.subtract(cv2.merge(calm), ycc, dtype=cv2.CV_32F), MATRIX)
    return cv2.add(rgb, change, dtype=cv2.CV_8U)


def turned(rgb: Pixels, degrees: float, size: tuple[int, int]) -> Any:
    """Lanczos into a given size; which part that shows makes no difference to the clock."""
    matrix = cv2.getRotationMatrix2D((rgb.shape[1] / 2, rgb.shape[0] / 2), -degrees, 1)
    return cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LANCZOS4)


def bordered(rgb: Pixels) -> Any:
    return cv2.copyMakeBorder(rgb, 150, 150, 150, 150, cv2.BORDER_CONSTANT, value=(255, 255, 255))


SLIDERS = {"exposure": 0.3, "contrast": 0.2, "saturation": 0.2, "temperature": 0.2, "highlights": -0.3, "shadows": 0.3}

CALLS: dict[str, Calls] = {
    "adjust": Calls(SLIDERS, lambda rgb: base_layer(shrunk(rgb, 1024)), adjust),
    "auto": Calls({}, lambda rgb: shrunk(rgb, 512), auto),
    "monochrome": Calls({"tone": "sepia"}, None, monochrome),
    "vignette": Calls({}, None, vignette),
    "blur": Calls({}, blur),
    "sharpen": Calls({}, sharpen),
    "denoise": Calls({}, denoise),
    "crop": Calls({"box": [0.1, 0.1, 0.9, 0.9]}, lambda rgb: rgb[300:2700, 400:3600].copy()),
    "flip": Calls({}, lambda rgb: cv2.flip(rgb, 1)),
    "border": Calls({}, bordered),
    "resize": Calls({"scale": 0.5}, lambda rgb: cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)),
    "rotate": Calls({"degrees": 5}, lambda rgb: turned(rgb, 5, (3560, 2670))),
    "straighten": Calls({"degrees": 2}, lambda rgb: turned(rgb, 2, (3800, 2850))),
    "replace_background": Calls({"color": "#ffffff"}),
    "match_colors": Calls({}),
    "insert_subject": Calls({"subject": "the person", "scale": 0.5}),
    "text": Calls({"text": "Pentimento"}),
}


def darkroom() -> Iterator[Tool]:
    """The registered tools that live in the darkroom."""
    return (tool for tool in registry.registered().values() if ".darkroom." in tool.run.__module__)


def context(tool: Tool, picture: Picture) -> EditContext:
    """A context with a region (2 % of the picture) and subjects where the tool cannot do without."""
    mask = None
    if tool.region == "required" or tool.usual:
        mask = np.zeros((picture.height, picture.width), np.uint8)
        cv2.circle(mask, (picture.width // 2, picture.height // 2), round(0.08 * picture.height * 4 / 3), 255, -1)
        mask = 255 - mask if tool.usual else mask
    return EditContext(picture, mask, tuple(picture for _ in range(tool.subjects[0])), confirmed=True)


def run(tool: Tool, ctx: EditContext, args: dict[str, Any]) -> tuple[float, float, int]:
    """(seconds, longest gap between yields, yields) of one run."""
    edit = tool.run(ctx, tool.args(**args))
    gaps, last = [], time.process_time()
    for _ in edit:
        now = time.process_time()
        gaps, last = [*gaps, now - last], now
    gaps.append(time.process_time() - last)
    return sum(gaps), max(gaps), len(gaps) - 1


def measure(tool: Tool, picture: Picture) -> Row:
    """One tool's row: the best of three runs, of one where a run takes more than two seconds."""
    calls, ctx = CALLS.get(tool.name, Calls()), context(tool, picture)
    runs = [run(tool, ctx, calls.args)]
    while len(runs) < 3 and runs[0][0] < 2:
        runs.append(run(tool, ctx, calls.args))
    spent, gap, yields = min(r[0] for r in runs), min(r[1] for r in runs), runs[0][2]
    bare = ratio = None
    if calls.once or calls.bands:
        bare = min(seconds(lambda: calls(picture.rgb), time.process_time) for _ in runs)
        ratio = round(spent / bare, 2)
    passed = gap <= BOUND_GAP and (ratio is None or ratio <= BOUND_RATIO)
    return Row(tool.name, round(spent, 3), bare and round(bare, 3), ratio, round(gap, 3), yields, passed)


def main() -> None:
    """Run, print a table or JSON, perhaps write a file."""
    parser = argparse.ArgumentParser(description="Seconds, ratio to bare library calls and gaps of the darkroom tools.")
    parser.add_argument("--json", nargs="?", const="-", help="print JSON, or write it to a file beside the table")
    parser.add_argument("--only", nargs="*", help="these tools and no others")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    picture = photo()
    rows = [measure(tool, picture) for tool in darkroom() if not chosen.only or tool.name in chosen.only]
    text = json.dumps({"pixels": [picture.width, picture.height], "tools": [asdict(row) for row in rows]}, indent=2)
    if chosen.json == "-":
        print(text)
        return
    print(f"{'tool':<20}{'seconds':>9}{'bare':>9}{'ratio':>8}{'gap':>8}{'yields':>8}")
    for row in rows:
        bare, ratio = ("" if x is None else x for x in (row.bare, row.ratio))
        late = "" if row.passed else "   over the bound"
        print(f"{row.tool:<20}{row.seconds:>9}{bare:>9}{ratio:>8}{row.gap:>8}{row.yields:>8}{late}")
    if chosen.json:
        Path(chosen.json).write_text(text + "\n")


if __name__ == "__main__":
    main()
