"""What an encoder finds again, on scenes and sounds that it was not trained on; shares of right answers, 0…1.

    python -m training.encoder_figures [FOLDER]      config.json and model.safetensors; by default the starter's

* a picture by its caption, and back: the first of 256;
* an attribute: the true caption against those that name another value of it, all else equal; chance is one over the
  number of values. Also for pairs of shape and colour that training never showed;
* a sound: whether the first of 256 pictures shows what it stands for, which few of them do; which of the seventeen
  meanings is nearest, each told by pictures, or by captions, which no sound has met in training.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTokenizer

from tools.nets.imagebind import ImageBind
from tools.nets.imagebind_keys import config_of, load
from toybox.scenes import HELD_OUT, Scene, random_scene
from toybox.sounds import NAMES
from toybox.words import caption
from training.encoder import heard, ids, pixels
from training.encoder_scenes import ATTRIBUTES, Values, scene_for, true_of

AMONG, GROUPS, ITEMS, PLAYED, GALLERIES = 256, 2, 128, 10, 8
FIRST_TAKE = 10**6
"""Takes of sounds from here on are not trained on."""


@torch.no_grad()
def figures(net: ImageBind, tokenizer: CLIPTokenizer, seed: int = 1_000_003) -> dict[str, float]:
    """All of them by name."""
    rng = np.random.default_rng(seed)
    found = {"text to picture": 0.0, "picture to text": 0.0}
    for _ in range(GROUPS):
        scenes = [random_scene(rng) for _ in range(AMONG)]
        scores = seen(net, scenes) @ read(net, tokenizer, [caption(scene) for scene in scenes]).T
        right = torch.arange(AMONG)
        found["picture to text"] += float((scores.argmax(1) == right).float().mean()) / GROUPS
        found["text to picture"] += float((scores.argmax(0) == right).float().mean()) / GROUPS
    for name, values in ATTRIBUTES.items():
        found[name] = attribute(net, tokenizer, [_plain(rng) for _ in range(ITEMS)], values)
    new = [_new(_plain(rng), *pair) for pair in sorted(HELD_OUT) for _ in range(20)]
    found["colour of new pairs"] = attribute(net, tokenizer, new, ATTRIBUTES["colour"])
    return found | sounds(net, tokenizer, rng)


def _plain(rng: Generator) -> Scene:
    """A scene in colours, of which every attribute can be seen and may be another."""
    while (scene := random_scene(rng)).tone != "colour" or scene.style != "plain":
        continue
    return scene


def _new(scene: Scene, shape: str, colour: str) -> Scene:
    """Its first thing alone, as a pair that was held out."""
    return replace(scene, things=(replace(scene.things[0], shape=shape, colour=colour),))


def attribute(net: ImageBind, tokenizer: CLIPTokenizer, scenes: Sequence[Scene], values: Values) -> float:
    """How often the true caption is the nearest of those that differ from it in this."""
    right = []
    for scene, v in zip(scenes, seen(net, scenes), strict=True):
        told = [caption(other) for other in values(scene, 0)]
        best = int((read(net, tokenizer, told) @ v).argmax())
        right.append(told[best] == caption(scene))
    return float(np.mean(right))


def sounds(net: ImageBind, tokenizer: CLIPTokenizer, rng: Generator) -> dict[str, float]:
    """The figures of what is heard."""
    played = [name for name in NAMES for _ in range(PLAYED)]
    takes = list(range(FIRST_TAKE, FIRST_TAKE + len(played)))
    a = F.normalize(net.audio(heard(played, takes)), dim=-1)
    found = np.mean([_first(net, rng, a, played) for _ in range(GALLERIES)])
    shown = [[scene_for(rng, name) for _ in range(16)] for name in NAMES]
    by_pictures = torch.stack([seen(net, scenes).mean(0) for scenes in shown])
    by_words = torch.stack([read(net, tokenizer, [caption(s) for s in scenes]).mean(0) for scenes in shown])
    meant = torch.tensor([NAMES.index(name) for name in played])
    common_v, common_t = by_pictures.mean(0), by_words.mean(0)
    return {
        "sound to picture": float(found),
        "sound to meaning, by pictures": _share((a @ F.normalize(by_pictures - common_v, dim=-1).T).argmax(1), meant),
        "sound to meaning, by words": _share((a @ F.normalize(by_words - common_t, dim=-1).T).argmax(1), meant),
    }


def _first(net: ImageBind, rng: Generator, a: Tensor, played: Sequence[str]) -> float:
    """Of sounds a (n, D), how often the first of a gallery of pictures shows what is meant."""
    gallery = [random_scene(rng) for _ in range(AMONG - len(NAMES))] + [scene_for(rng, name) for name in NAMES]
    first = (a @ seen(net, gallery).T).argmax(1).tolist()
    return float(np.mean([true_of(name, gallery[i]) for name, i in zip(played, first, strict=True)]))


def _share(found: Tensor, meant: Tensor) -> float:
    return float((found == meant).float().mean())


def seen(net: ImageBind, scenes: Sequence[Scene]) -> Tensor:
    """(n, D) of pictures."""
    return net.vision(pixels(scenes))


def read(net: ImageBind, tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """(n, D) of captions, norm 1."""
    return F.normalize(net.text(ids(tokenizer, texts)), dim=-1)


def main() -> None:
    starter = Path(__file__).parents[1] / "tools/packs/starter"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else starter / "encoder"
    tokenizer = CLIPTokenizer.from_pretrained(starter / "tokenizer", local_files_only=True)
    net = load(folder / "model.safetensors", config_of(folder / "config.json"))
    print(json.dumps({name: round(share, 3) for name, share in figures(net, tokenizer).items()}, indent=1))


if __name__ == "__main__":
    main()
