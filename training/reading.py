"""The recipe of the toybox's grader (`toybox.reading`): it learns from exact truth what pictures show.

    python -m training.reading --budget MINUTES [--out DIR] [--pack PACK]

Scenes are drawn as it goes: random ones, every combination of shape, colour, texture and size among them, none, and
what up to three edits make of them. What comes out of an autoencoder is soft and its colours are a little off, so half
of what it learns from is: blurred, noisy, shifted, squeezed as JPEG squeezes; with `--pack` some of it is decoded by
the autoencoder there. `OUT/shipped.safetensors` is what lies beside
`toybox/reading.py` as `reading.safetensors`.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from tools import weights
from tools.diffusion import latents
from toybox.drawing import Pixels, draw
from toybox.edits import random_edit
from toybox.reading import OF_THINGS, OF_WHOLE, Reader, options, planes, shown
from toybox.scenes import (
    ALONE,
    COLOURS,
    CORNERS,
    LIGHTS,
    RADII,
    SHAPES,
    SIZES,
    SLOTS,
    STATES,
    STRAY,
    STYLES,
    TEXTURES,
    TONES,
    WEATHERS,
    Scene,
    Thing,
    pick,
    random_scene,
)
from training import packs
from training.loop import Recipe, Trainer, claimed, in_words, logged

log = logging.getLogger("training")
STEPS, BATCH, RATE, SEED = 3200, 64, 2e-3, 23
SOFT, SINGLE, EMPTY, MIXED, STATED, EDITED, CROWDED = 0.5, 0.6, 0.05, 0.5, 0.5, 0.5, 0.4
"""Shares: of softened pictures; of scenes with one thing, none, things of any kind, in any state, after edits, and of
those with nothing in the middle that have something in every corner.

What stands in the middle is alone, of many sizes and at many places, and little else teaches how to read it; so there
are many scenes with one thing, and in return many things in some of the others."""
POOL, DECODED = 1024, 12
"""Decoded pictures to learn from where there is a pack, and how many of them a batch has."""
UNASKED = -100
Targets = dict[str, Tensor]
"""Numbers of the true values by attribute, (n, 5) of slots and (n,) of the whole; `UNASKED` where it cannot be seen."""
Decoder = Callable[[Pixels], Pixels]
"""What an autoencoder leaves of a picture."""


def lesson(rng: Generator) -> Scene:
    """A scene to learn from: more often than in the world strange, empty, or in an unusual state."""
    scene = random_scene(rng, 1 if rng.random() < SINGLE else None)
    if rng.random() < EMPTY:
        scene = replace(scene, things=())
    if rng.random() < MIXED:
        scene = replace(scene, things=tuple(_any(rng, thing) for thing in scene.things))
    if rng.random() < STATED:
        scene = replace(scene, **_states(rng))
    for _ in range(int(rng.integers(1, 4)) if rng.random() < EDITED else 0):
        scene = random_edit(rng, scene).apply(scene)
    taken = [thing.slot for thing in scene.things]
    if "middle" not in taken and taken and rng.random() < CROWDED:
        more = (
            _any(rng, Thing("", "", "", slot, *_near(rng, slot), 0.0, rng.uniform(-0.25, 0.25))) for slot in CORNERS
        )
        scene = replace(scene, things=(*scene.things, *(thing for thing in more if thing.slot not in taken)))
    return scene


def _near(rng: Generator, slot: str) -> tuple[float, float]:
    """A place as near a corner's middle as the world has it."""
    (x, y), (dx, dy) = SLOTS[slot], rng.uniform(-STRAY, STRAY, 2)
    return float(x + dx), float(y + dy)


def _any(rng: Generator, thing: Thing) -> Thing:
    """Another thing in the same slot: every combination is as likely."""
    size = pick(rng, list(SIZES))
    alone = thing.slot == "middle"
    radius = rng.uniform(*(ALONE if alone and size == "large" else RADII[size]))
    x, y = (float(np.clip(v, radius + 3, 61 - radius)) if alone else v for v in (thing.x, thing.y))
    kind = {"shape": pick(rng, SHAPES), "colour": pick(rng, list(COLOURS)), "texture": pick(rng, TEXTURES)}
    return replace(thing, **kind, radius=radius, x=x, y=y)


def _states(rng: Generator) -> dict[str, str]:
    """Each state any, half of the time; beside a tone the style is plain."""
    every = {"light": tuple(LIGHTS), "weather": WEATHERS, "style": STYLES, "tone": TONES}
    found = {name: pick(rng, values) if rng.random() < 0.5 else STATES[name] for name, values in every.items()}
    return found if found["style"] == "plain" else {**found, "tone": "colour"}


def softened(rng: Generator, rgb: Pixels) -> Pixels:
    """A picture as an autoencoder might leave it: blurred, its colours off, noisy, squeezed; each more or less."""
    x = cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.2, 1.0))).astype(np.float32)
    x = x * (1 + 0.03 * rng.standard_normal(3)) + 3 * rng.standard_normal(3)
    x = x + rng.uniform(0, 7) * rng.standard_normal(x.shape)
    soft: Pixels = np.clip(np.rint(x), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        soft = squeezed(soft, int(rng.integers(40, 95)))
    return soft


def squeezed(rgb: Pixels, quality: int) -> Pixels:
    """What JPEG leaves of a picture; OpenCV has blue first."""
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    bgr = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(bgr[..., ::-1])


def targets(scenes: Sequence[Scene]) -> Targets:
    """The truth of scenes as numbers."""
    truths = [shown(scene) for scene in scenes]

    def number(truth: dict[tuple[str, str], str], slot: str, name: str) -> int:
        return options((slot, name)).index(truth[slot, name]) if (slot, name) in truth else UNASKED

    of_slots = {name: [[number(truth, slot, name) for slot in SLOTS] for truth in truths] for name in OF_THINGS}
    of_whole = {name: [number(truth, "", name) for truth in truths] for name in OF_WHOLE}
    return {name: torch.tensor(rows) for name, rows in (of_slots | of_whole).items()}


def error(told: dict[str, Tensor], truth: Targets) -> Tensor:
    """Cross-entropy of every attribute that can be seen; the mean over attributes."""
    losses = [F.cross_entropy(told[name].flatten(0, -2), truth[name].flatten(), ignore_index=UNASKED) for name in told]
    return torch.stack([loss for loss in losses if not loss.isnan()]).mean()


def recipe(net: Reader, pool: tuple[Tensor, Targets] | None = None, steps: int = STEPS, seed: int = SEED) -> Recipe:
    """Each step draws its own scenes; with a pool some pictures of it are added, decoded beforehand."""
    device = next(net.parameters()).device

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((29, seed, step))
        scenes = [lesson(rng) for _ in range(BATCH - (DECODED if pool else 0))]
        drawn = [draw(scene).rgb for scene in scenes]
        x = planes([softened(rng, rgb) if rng.random() < SOFT else rgb for rgb in drawn])
        truth = targets(scenes)
        if pool:
            some = torch.from_numpy(rng.integers(len(pool[0]), size=DECODED))
            x, truth = torch.cat([x, pool[0][some]]), {k: torch.cat([v, pool[1][k][some]]) for k, v in truth.items()}
        seen = net(x.to(device).contiguous(memory_format=torch.channels_last))
        return error(seen, {name: rows.to(device) for name, rows in truth.items()})

    return Recipe("reading", net, loss, steps, RATE)


def decoded(decoder: Decoder, count: int = POOL, seed: int = SEED) -> tuple[Tensor, Targets]:
    """Scenes that an autoencoder has had in its hands, and their truth."""
    rng = np.random.default_rng((31, seed))
    scenes = [lesson(rng) for _ in range(count)]
    return planes([decoder(draw(scene).rgb) for scene in scenes]), targets(scenes)


def network(seed: int = SEED) -> Reader:
    """0.6 million parameters, random."""
    torch.manual_seed(seed)
    return Reader().to(memory_format=torch.channels_last)


def written(net: Reader, path: Path) -> None:
    """The weights in float16."""
    weights.write(path, {name: p.detach().cpu().half().contiguous() for name, p in net.state_dict().items()})


def looked_through(pack: Path, device: str = "cpu") -> tuple[Tensor, Targets]:
    """Scenes that the autoencoder of a pack has had in its hands."""
    vae = packs.base(pack, device).vae
    return decoded(lambda rgb: latents.reconstructed(vae, rgb), POOL)


def train(out: Path, minutes: float, steps: int = STEPS, pack: Path | None = None, device: str = "cpu") -> bool:
    """The grader as far as the time goes, then `out/shipped.safetensors`; True where it is at its end.

    BadWeights where the folder has another training.
    """
    deadline = time.monotonic() + 60 * minutes
    claimed(out, "reading", {"steps": steps, "pack": packs.base(pack).digest if pack else ""})
    net = network().to(device)
    trainer = Trainer(recipe(net, looked_through(pack, device) if pack else None, steps), out)
    done = trainer.run(deadline)
    log.info("reading stands at step %d of %d", trainer.step, steps)
    trainer.settle()
    written(net, out / "shipped.safetensors")
    return done


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.reading", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/training/reading"))
    parser.add_argument("--pack", type=Path, help="a folder of weights, whose autoencoder it learns to look through")
    args = parser.parse_args()
    logged(args.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train(args.out, args.budget, pack=args.pack, device=device)


if __name__ == "__main__":
    main()
