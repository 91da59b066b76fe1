"""How many photos a minute a recipe is replayed on: `python -m benchmarks.replay [--json]`.

Photos of one megapixel as JPEG files, from the folder to the edited files: decoding, a session each, three steps of
which one finds its region in words (the background), commits made durable, encoding, the report.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from agent.assistant import Assistant
from agent.plan import Plan, PlanStep
from agent.planners.given import Given
from agent.recipes import Recipe, recipe_of
from benchmarks.measure import report, seconds
from sessions import history
from sessions.store import Store
from ui import batch

PHOTOS = 8
PLAN = Plan(
    steps=(
        PlanStep(tool="adjust", args={"temperature": 0.2, "contrast": 0.1}),
        PlanStep(tool="blur", region={"words": "the background"}),
        PlanStep(tool="crop", args={"aspect": "1:1"}),
    )
)


def photos(folder: Path) -> Iterator[Path]:
    """Astronauts of 1152 × 868 pixels, each with a grain of its own, so that no two files are the same."""
    from skimage import data

    large = cv2.resize(np.asarray(data.astronaut())[:386], (1152, 868), interpolation=cv2.INTER_CUBIC)
    for seed in range(PHOTOS):
        grain = np.random.default_rng(seed).normal(0, 3, large.shape)
        path = folder / f"{seed}.jpg"
        cv2.imwrite(str(path), np.clip(large + grain, 0, 255).astype(np.uint8)[..., ::-1])
        yield path


def made_on(store: Store, photo: Path) -> Recipe:
    """The recipe, from a session in which it was done once."""
    assistant = Assistant(store, Given(PLAN))
    session = assistant.new((photo.name, photo.read_bytes()))[0].id
    list(assistant.turn(session, "warmer, blur the background, square"))
    graph = history.graph(store, session)
    assert graph.head is not None
    return recipe_of(graph, graph.head)


def measured() -> dict[str, Any]:
    home = Path(tempfile.mkdtemp(prefix="pentimento-"))
    try:
        folder = home / "photos"
        folder.mkdir()
        files = tuple(photos(folder))
        store = Store(home / "home")
        first = batch.Report(batch.Order(made_on(store, files[0]), {}, files, home / "edited"))
        before = sum(os.times()[:4])
        took = seconds(lambda: list(batch.run(store, first)))
        busy = sum(os.times()[:4]) - before
        again = seconds(lambda: list(batch.run(store, batch.Report(first.order))))
        store.close()
    finally:
        shutil.rmtree(home)
    return {
        "photos": PHOTOS,
        "megapixels": 1.0,
        "whole": sum(row.state == "whole" for row in first.rows),
        "replay_photos_per_min": round(60 * PHOTOS / took, 1),
        "resumed_photos_per_min": round(60 * PHOTOS / again, 1),
        "cpu_seconds_per_photo": round(busy / PHOTOS, 3),
        "seconds_in_steps_per_photo": round(sum(row.seconds for row in first.rows) / PHOTOS, 3),
    }


def main() -> None:
    report((__doc__ or "").splitlines()[0], measured)


if __name__ == "__main__":
    main()
