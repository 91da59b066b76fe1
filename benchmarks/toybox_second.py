"""A second grader: whether results go where the words went, in the space of an encoder that has drawn nothing here.

    python -m benchmarks.toybox --grader FOLDER      config.json and model.safetensors, as in the pack's `encoder`

Made by `python -m training.encoder` from another seed, so that it shares nothing with the encoder, the editors or the
first grader (`toybox.reading`). Of each item there are the picture before, its caption, and the exact result's:

* `_directional`: the cosine of (result − before) and (caption after − caption before), Gal et al., arXiv 2108.00946, as
  InstructPix2Pix was measured; 0 where nothing has changed;
* `_agrees`: whether the result is nearer to the caption after than to the one before.

Both also of a copy of the input (`_copy`) and of the exact result (`_exact`). Items whose captions are equal (a thing
that has moved: captions say no places) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import any2pix, toybox_perception, world
from benchmarks.world import Figures, figure
from sessions.errors import MissingWeights
from sessions.values import Pixels
from tools.encoders.imagebind import TOKENIZER, ImageBindEncoder
from tools.shelf import STARTER
from toybox.drawing import draw
from toybox.phrases import Voice
from toybox.scenes import Scene
from toybox.shaped import shown
from toybox.words import caption

STILL = 1e-3
"""Two embeddings of norm 1 that are no further apart are of one picture."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Asked:
    """A picture, its caption, and picture and caption of the exact result."""

    before: Pixels
    said: str
    after: Pixels
    wanted: str


def opened(folder: Path | None) -> ImageBindEncoder:
    """The second grader; MissingWeights where none was named, or none is there."""
    if folder is None:
        raise MissingWeights("There is no second grader.", "--grader FOLDER, an encoder trained from another seed")
    return toybox_perception.opened(folder, STARTER.parent / TOKENIZER)


def edits(encoder: ImageBindEncoder, some: Sequence[world.Item], results: Sequence[Pixels]) -> Figures:
    """Of edits by instruction."""
    asked = [
        Asked(one.before.rgb, caption(one.scene), one.after.rgb, caption(one.edit.apply(one.scene))) for one in some
    ]
    return figures(encoder, "ip2p", asked, {"": results})


def sounds(encoder: ImageBindEncoder, some: Sequence[any2pix.Item], made: any2pix.Results) -> Figures:
    """Of pictures that a sound shapes, where there is an edit that shows what it stands for: a shape comes somewhere,
    in some colour, and some thing takes on a colour, so that the exact result is one of several."""
    scenes = [meant(one) for one in some]
    fits = [i for i, scene in enumerate(scenes) if scene is not None]
    asked = [
        Asked(some[i].picture, caption(some[i].scene), draw(scene).rgb, caption(scene))
        for i in fits
        if (scene := scenes[i]) is not None
    ]
    ways = {"": [made.own[i] for i in fits], "_shuffled": [made.shuffled[i] for i in fits]}
    return figures(encoder, "any2pix", asked, ways)


def meant(one: any2pix.Item) -> Scene | None:
    """A scene that shows what an item's sound stands for, and else what the item does; None where none can."""
    edit = shown(Voice(np.random.default_rng((2026, 22, one.take)), held_out=False), one.name, one.scene)
    return edit.apply(one.scene) if edit else None


def figures(
    encoder: ImageBindEncoder, name: str, asked: Sequence[Asked], ways: Mapping[str, Sequence[Pixels]]
) -> Figures:
    """Both figures of results, one way or several, of copies, and of exact results."""
    told = [i for i, one in enumerate(asked) if one.said != one.wanted]
    if not told:
        return {}
    some = [asked[i] for i in told]
    pictures = {way: [results[i] for i in told] for way, results in ways.items()}
    pictures |= {"_copy": [one.before for one in some], "_exact": [one.after for one in some]}
    began = encoder.pictures([one.before for one in some])
    said = encoder.texts([one.wanted for one in some]) - encoder.texts([one.said for one in some])
    found: Figures = {}
    for way, results in pictures.items():
        v = encoder.pictures(results)
        found |= figure(f"{name}_directional{way}", cosines(v - began, said).tolist())
        found |= figure(f"{name}_agrees{way}", ((v * said).sum(1) > 0).tolist())
    return found


def cosines(moved: Floats, said: Floats) -> Floats:
    """(n,) of two (n, D); 0 where nothing has moved."""
    lengths = np.linalg.norm(moved, axis=1)
    cosine = (moved * said).sum(1) / np.maximum(lengths * np.linalg.norm(said, axis=1), 1e-12)
    return np.asarray(np.where(lengths > STILL, cosine, 0.0))
