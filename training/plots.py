"""The losses of a training as a picture, read from its log: one curve a recipe, its steps from left to right.

    python -m training.plots build/training [more folders …]        writes losses.png into the first

Each curve has a scale of its own, logarithmic, whose ends are written beside it; thin is what was logged, thick its
running mean.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sessions.errors import NotFound

Curve = list[tuple[int, float]]
"""Steps and losses."""
LINE = re.compile(r"(?P<name>\S+) step (?P<step>\d+) loss (?P<loss>[\d.]+)$")
WIDTH, HEIGHT, MARGIN = 900, 150, 24
SMOOTH = 0.9
"""What the running mean keeps of itself at each point."""
INK, FAINT, PAPER = "#b5532a", "#e3c9bb", "#fbfaf6"


def curves(logs: Sequence[Path]) -> dict[str, Curve]:
    """Every recipe's losses, in the order in which they began; a step that was logged again counts as last logged."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for log in logs:
        for line in log.read_text(encoding="utf-8").splitlines():
            if said := LINE.search(line):
                found[said["name"]][int(said["step"])] = float(said["loss"])
    return {name: sorted(points.items()) for name, points in found.items()}


def smoothed(curve: Curve) -> Curve:
    """Its running mean, begun at the first loss."""
    mean, out = curve[0][1], []
    for step, loss in curve:
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        out.append((step, mean))
    return out


def picture(found: dict[str, Curve]) -> Image.Image:
    """All curves, one below the other."""
    page = Image.new("RGB", (WIDTH, HEIGHT * len(found)), PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for place, (name, curve) in enumerate(found.items()):
        top = place * HEIGHT + MARGIN
        for points, colour, width in ((curve, FAINT, 1), (smoothed(curve), INK, 2)):
            pen.line(_laid(points, curve, top), colour, width)
        low, high = min(loss for _, loss in curve), max(loss for _, loss in curve)
        said = f"{name}   {curve[-1][0]} steps   loss {high:.3g} … {low:.3g}, at the end {smoothed(curve)[-1][1]:.3g}"
        pen.text((MARGIN, top - 18), said, "#444444", font)
    return page


def _laid(points: Curve, whole: Curve, top: int) -> list[tuple[float, float]]:
    """Points of a curve on the page, on the scale of the whole of it."""
    logs = [math.log(max(loss, 1e-9)) for _, loss in whole]
    low, span = min(logs), max(max(logs) - min(logs), 1e-9)
    last, height = max(whole[-1][0], 1), HEIGHT - 2 * MARGIN
    return [
        (
            MARGIN + step / last * (WIDTH - 2 * MARGIN),
            top + height * (1 - (math.log(max(loss, 1e-9)) - low) / span),
        )
        for step, loss in points
    ]


def draw(folders: Sequence[Path]) -> Path | None:
    """losses.png in the first folder, of all logs in all of them; None where no loss has been logged."""
    found = curves([log for folder in folders for log in sorted(folder.rglob("training.log"))])
    if not found:
        return None
    picture(found).save(folders[0] / "losses.png")
    return folders[0] / "losses.png"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.plots", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    folders: list[Path] = parser.parse_args().folders
    path = draw(folders)
    if path is None:
        raise NotFound(f"No training.log below {folders[0]} tells of a loss.")
    print(path)


if __name__ == "__main__":
    main()
