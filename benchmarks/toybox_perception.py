"""What the pack's encoder finds again: captions by pictures, pictures by captions and by sounds, attributes.

Part of `python -m benchmarks.toybox`, on scenes and sounds that nothing has learnt from. A scene's caption is found
where it is the first of all captions, and the other way round; of two scenes with equal captions either will do. A
sound is right where the first of as many pictures shows what it stands for (of each sound's meaning there is one
picture at least), so that chance is the share of pictures that do. An attribute is right where the true caption comes
before all that name another value of it, all else equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTokenizer

from benchmarks.world import Figures, figure
from sessions.errors import MissingWeights
from tools.encoders import IMAGEBIND, ROLE
from tools.encoders.imagebind import TOKENIZER, ImageBindEncoder
from tools.nets.imagebind import ImageBind
from tools.nets.imagebind_keys import config_of, load
from tools.shelf import Shelf
from toybox.scenes import HELD_OUT, Scene, random_scene
from toybox.sounds import FIRST_TAKE, NAMES
from toybox.words import caption
from training.encoder import heard, ids, pixels
from training.encoder_scenes import ATTRIBUTES, Values, scene_for, true_of

SEED, GALLERIES, TAKES = 21, 8, 2
"""What scenes are drawn from; so many galleries are searched by so many takes of each sound."""
SMALLEST = 2 * len(NAMES)
"""Pictures of a gallery at least: half of them show, in turn, what the sounds stand for."""
MORE = 2
"""One scene in so many is asked about each attribute."""


def opened(folder: Path, words: Path) -> ImageBindEncoder:
    """The encoder of a folder with `config.json` and `model.safetensors`, in float32; `words`: its tokenizer's folder.
    MissingWeights where there is none."""
    if not (folder / "model.safetensors").is_file():
        raise MissingWeights(f"There is no encoder in {folder}.", "python -m training.encoder --help")
    tokenizer = CLIPTokenizer.from_pretrained(words, local_files_only=True)
    return ImageBindEncoder(load(folder / "model.safetensors", config_of(folder / "config.json")), tokenizer, "")


def figures(weights: Shelf, count: int) -> Figures:
    """All figures of so many scenes."""
    folder = weights.entry(ROLE).folder
    encoder = opened(folder / IMAGEBIND, folder / TOKENIZER)
    rng = np.random.default_rng((2026, SEED))
    return {
        **by_words(encoder, [random_scene(rng) for _ in range(count)]),
        **by_sounds(encoder, rng, count),
        **attributes(encoder, rng, max(2, count // MORE)),
    }


@torch.no_grad()
def by_words(encoder: ImageBindEncoder, scenes: Sequence[Scene]) -> Figures:
    """R@1 of scenes and their captions, in both directions."""
    told = [caption(scene) for scene in scenes]
    scores = seen(encoder.network, scenes) @ read(encoder.network, encoder.words, told).T
    chance = [told.count(one) / len(told) for one in told]
    found: Figures = {}
    for name, first in (("image_to_text", scores.argmax(1)), ("text_to_image", scores.argmax(0))):
        right = [told[i] == one for i, one in zip(first.tolist(), told, strict=True)]
        found |= figure(f"perception_{name}", right) | figure(f"perception_{name}_random", chance)
    return found


@torch.no_grad()
def by_sounds(encoder: ImageBindEncoder, rng: Generator, count: int) -> Figures:
    """How often the first picture shows what a sound stands for; the interval is over sounds in galleries, since takes
    of one sound find the same picture."""
    right, chance = [], []
    for number in range(GALLERIES):
        shown = gallery(rng, count)
        v = seen(encoder.network, shown)
        for name in NAMES:
            first = 3 * FIRST_TAKE + number * TAKES
            a = F.normalize(encoder.network.audio(heard([name] * TAKES, range(first, first + TAKES))), dim=-1)
            fits = np.array([true_of(name, scene) for scene in shown])
            right.append(float(fits[(a @ v.T).argmax(1).numpy()].mean()))
            chance.append(float(fits.mean()))
    name = "perception_sound_to_image"
    return figure(name, right) | figure(f"{name}_random", chance)


def gallery(rng: Generator, count: int) -> list[Scene]:
    """So many scenes, one at least for every sound."""
    others = max(count, SMALLEST) - len(NAMES)
    return [random_scene(rng) for _ in range(others)] + [scene_for(rng, name) for name in NAMES]


@torch.no_grad()
def attributes(encoder: ImageBindEncoder, rng: Generator, count: int) -> Figures:
    """The share of right values of each attribute, and of the colours of pairs that training never shows."""
    found: Figures = {}
    plain = [in_colours(rng) for _ in range(count)]
    pairs = sorted(HELD_OUT)
    new = [alone(scene, *pairs[i % len(pairs)]) for i, scene in enumerate(plain)]
    asked = {name: (plain, values) for name, values in ATTRIBUTES.items()}
    for name, (scenes, values) in (asked | {"colour_held_out_pair": (new, ATTRIBUTES["colour"])}).items():
        found |= figure(f"perception_{name}", attribute(encoder.network, encoder.words, scenes, values))
        found |= figure(f"perception_{name}_random", [1 / choices(scene, values) for scene in scenes])
    return found


def attribute(net: ImageBind, tokenizer: CLIPTokenizer, scenes: Sequence[Scene], values: Values) -> list[bool]:
    """Whether the true caption of each is the nearest of those that differ from it in this."""
    right = []
    for scene, v in zip(scenes, seen(net, scenes), strict=True):
        told = [caption(other) for other in values(scene, 0)]
        best = int((read(net, tokenizer, told) @ v).argmax())
        right.append(told[best] == caption(scene))
    return right


def seen(net: ImageBind, scenes: Sequence[Scene]) -> Tensor:
    """(n, D) of pictures."""
    return net.vision(pixels(scenes))


def read(net: ImageBind, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """(n, D) of captions, norm 1."""
    return F.normalize(net.text(ids(tokenizer, texts)), dim=-1)


def choices(scene: Scene, values: Values) -> int:
    """How many captions there are to choose from."""
    return len({caption(other) for other in values(scene, 0)})


def in_colours(rng: Generator) -> Scene:
    """A scene of which every attribute can be seen and may be another."""
    while (scene := random_scene(rng)).tone != "colour" or scene.style != "plain":
        continue
    return scene


def alone(scene: Scene, shape: str, colour: str) -> Scene:
    """Its first thing alone, as another pair."""
    return replace(scene, things=(replace(scene.things[0], shape=shape, colour=colour),))
