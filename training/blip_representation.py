"""BLIP-Diffusion, stage 1: queries learn to see what words say of a picture (BLIP-2's three losses).

    python -m training.blip_representation --budget MINUTES [--out DIR] [--photos DIR] [--vision DIR --bert DIR]

Li et al. 2023 (arXiv 2305.14720, section 3.1; the losses: arXiv 2301.12597). The Q-Former looks at an image tower.
With `--vision`, the folder of a CLIP whose tower is taken, that stands still, as in the paper, and only the LayerNorm
behind it learns; in the toybox there is none, so a small one learns with the queries, which is this file's own way. The
sizes are then the paper's, and `--bert`, a BERT-base, gives words and what else it shares with the Q-Former.

Leaves `OUT/qformer`. Goes on where it was stopped. Learns nothing about drawing: `training.blip_diffusion` does.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from sessions.values import Picture, Pixels
from tools.nets.blip_keys import Words
from tools.nets.blip_learning import Heads, losses
from tools.nets.clip_vision import VisionConfig, prepared
from tools.nets.qformer import SubjectConfig, SubjectEncoder
from training import blip_begun, blip_pack
from training.diffusion import WIDTH
from training.loop import Recipe, claimed, generator, in_words, learnt, logged
from training.subject_photos import Photos
from training.subject_scenes import Scenes

log = logging.getLogger("training")
NAME = "blip_representation"
BATCH, STEPS, RATE, SEED, SPACE = 32, 6000, 1e-3, 31, 64
SPREAD = 0.2
"""Deviation of queries, words and places at first; with BERT's 0.02 queries come to be one, and little is learnt."""
QUERIES, LONGEST = 8, 64
"""Queries of the small one, and the most words of a text with [CLS] and [SEP]."""


class Pairs(Protocol):
    """Where pictures (h, w, 3) and their captions come from: `Scenes`, `Photos`."""

    def pair(self, rng: Generator) -> tuple[Pixels, str]:
        """One, as drawn."""
        ...


def small(words: int, width: int = WIDTH, queries: int = QUERIES) -> SubjectConfig:
    """A tower for 64 × 64 pixels and a Q-Former as wide as the text encoder: the projection adds to it."""
    vision = VisionConfig(width=128, layers=4, heads=4, hidden=512, patch=8, side=64)
    return SubjectConfig(vision, width, 4, 4, 4 * width, words, LONGEST, queries)


def network(config: SubjectConfig, seed: int = SEED) -> SubjectEncoder:
    """Random, and the projection adds nothing yet. Queries far apart: Adam's first steps move all of them alike."""
    torch.manual_seed(seed)
    encoder = SubjectEncoder(config)
    begin = [encoder.query_tokens, encoder.visual_encoder.embeddings.class_embedding]
    begin += [encoder.visual_encoder.embeddings.position_embedding]
    begin += [table.weight for table in encoder.embeddings.children() if isinstance(table, nn.Embedding)]
    for weight in begin:
        nn.init.normal_(weight, std=SPREAD)
    nn.init.zeros_(encoder.proj_layer.dense2.weight)
    nn.init.zeros_(encoder.proj_layer.dense2.bias)
    return encoder


def batch(pairs: Pairs, words: Words, side: int, size: int, step: int, seed: int = SEED) -> tuple[Tensor, ...]:
    """pixels (B, 3, side, side), ids and where they are words (B, L): a function of the step's number."""
    drawn = [pairs.pair(np.random.default_rng((seed, step, row))) for row in range(size)]
    ids, mask = words([said for _, said in drawn])
    return torch.cat([prepared(Picture(rgb), side) for rgb, _ in drawn]), ids[:, :LONGEST], mask[:, :LONGEST]


@dataclass(frozen=True)
class Plan:
    """What is asked of a training."""

    steps: int = STEPS
    batch: int = BATCH
    rate: float = RATE
    queries: int = QUERIES


def recipe(
    encoder: SubjectEncoder, pairs: Pairs, words: Words, plan: Plan, frozen: bool = False, seed: int = SEED
) -> Recipe:
    """The sum of the three losses. frozen: whether the image tower stands still, its last LayerNorm excepted."""
    torch.manual_seed(seed)
    heads = Heads(encoder.config, SPACE if encoder.config.width < 256 else 256).to(encoder.query_tokens.device)
    tower = encoder.visual_encoder
    encoder.requires_grad_(True)
    encoder.proj_layer.requires_grad_(False)
    if frozen:
        tower.requires_grad_(False)
        tower.post_layernorm.requires_grad_(True)

    def loss(step: int) -> Tensor:
        at = batch(pairs, words, encoder.config.vision.side, plan.batch, step, seed)
        pixels, ids, mask = (part.to(encoder.query_tokens.device) for part in at)
        found = losses(encoder, heads, tower(pixels), ids, mask, generator(seed, step))
        if step % 50 == 0:
            log.info("contrast %.3f matching %.3f generation %.3f", *(float(one.detach()) for one in found))
        return sum(found, start=torch.zeros((), device=pixels.device))

    return Recipe(NAME, nn.ModuleDict({"encoder": encoder, "heads": heads}), loss, plan.steps, plan.rate)


@dataclass(frozen=True)
class Given:
    """Folders that a training begins with; None: the toybox, and nothing."""

    photos: Path | None = None
    vision: Path | None = None
    bert: Path | None = None

    def said(self) -> Mapping[str, str]:
        """As it is kept with the training."""
        return {name: str(path or "") for name, path in vars(self).items()}


def begun(out: Path, given: Given, plan: Plan) -> tuple[SubjectEncoder, Path]:
    """The network before its first step, and the file of its words."""
    if given.bert is not None:
        words = given.bert / blip_pack.WORDS
        rows = len(words.read_text("utf-8").splitlines()) + 1
    else:
        words = out / blip_pack.WORDS
        rows = blip_pack.write_words(words)
    full = given.vision is not None
    encoder = network(SubjectConfig(words=rows, queries=plan.queries) if full else small(rows, queries=plan.queries))
    if given.vision is not None:
        blip_begun.tower(encoder, given.vision)
    if given.bert is not None and full:
        blip_begun.bert(encoder, given.bert)
    return encoder, words


def train(out: Path, minutes: float, plan: Plan, given: Given, device: str = "cpu") -> bool:
    """Until it is done, which is said, or the time is over; then `out/qformer`. BadWeights where the folder has another
    training."""
    deadline = time.monotonic() + 60 * minutes
    claimed(out, NAME, {**asdict(plan), **given.said()})
    encoder, words = begun(out, given, plan)
    pairs: Pairs = Scenes(1) if given.photos is None else Photos.at(given.photos)
    made = recipe(encoder.to(device), pairs, Words(words), plan, frozen=given.vision is not None)
    done = learnt(made, out, deadline)
    blip_pack.write(encoder, words, out)
    return done


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.blip_representation", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/blip_representation"))
    parser.add_argument("--photos", type=Path, help="a folder with subjects.json")
    parser.add_argument("--vision", type=Path, help="a CLIP whose image tower is taken and stands still")
    parser.add_argument("--bert", type=Path, help="a BERT-base: its words and layers")
    for name, usual in asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=type(usual), default=usual)
    args = parser.parse_args()
    logged(args.out)
    plan = Plan(args.steps, args.batch, args.rate, args.queries)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train(args.out, args.budget, plan, Given(args.photos, args.vision, args.bert), device)


if __name__ == "__main__":
    main()
