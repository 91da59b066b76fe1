"""The starter encoder: ImageBind's networks, small, trained by ImageBind's recipe on scenes, captions and sounds.

Girdhar et al., arXiv 2305.05665: first pictures and captions are bound by contrast; then what sees is frozen, and what
hears is bound to it by pairs of a sound and a picture of what it stands for. Words and sounds never meet in training.

    python -m training.encoder --budget MINUTES [--out DIR]

Batches are families of scenes that differ in one thing (`encoder_scenes`). What fits what is known exactly: equal
captions are no mistakes, nor is a scene that happens to show what another pair's sound stands for. To learn shapes in
minutes, every patch is also asked what thing it shows and which part of it; that head is thrown away.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTokenizer

from tools.nets.clip_vision import MEAN, STD
from tools.nets.imagebind import ImageBind, ImageBindConfig, Trunk
from tools.sounds import RATE, Sound, imagebind_features
from toybox.drawing import Drawing, draw
from toybox.scenes import SHAPES, SIDE, SIZES, TEXTURES, Scene, Thing, pick
from toybox.sounds import NAMES, sound
from toybox.words import caption
from training import encoder_pack, tokens
from training.encoder_scenes import families, scene_for, true_of
from training.loop import Recipe, claimed, generator, in_words, learnt, logged

BATCH, TEXT_STEPS, SOUND_STEPS, RATE_OF_LEARNING = 64, 5000, 1500, 1.5e-3
KEPT, WHOLE = 28, 0.9
"""Patches that are looked at of a picture, until so much of the first recipe is done; then all of them."""
CELLS = 4
"""A patch is asked about in so many parts a side."""
HEADS = (len(SHAPES) + 1, len(TEXTURES) + 1, len(SIZES) + 1, CELLS**2)
"""What is asked about a patch: its thing's shape, texture and size, or none; and where in it the thing is."""
CONTEXT = 32
"""As long as the longest caption without places: three things of which all is said, and every state."""
UNSAID = 0.1
"""How often a caption leaves the background out."""
TEXT, SOUND = "encoder_text", "encoder_sound"
"""The two recipes."""
TAKES = 40
"""How often each sound is played to learn from."""


def config(words: int) -> ImageBindConfig:
    """2.2 million parameters; `words`: of the tokenizer."""
    return ImageBindConfig(
        space=128,
        vision=Trunk(160, 5, 4),
        text=Trunk(80, 2, 4),
        audio=Trunk(96, 3, 4),
        side=SIDE,
        patch=8,
        words=words,
        context=CONTEXT,
        bins=64,
        stride=16,
    )


def network(sizes: ImageBindConfig, seed: int = 0) -> ImageBind:
    """A random one: CLIP's deviations for what torch does not draw by itself, waves for where a patch stands."""
    torch.manual_seed(seed)
    net = ImageBind(sizes)
    for name, p in net.named_parameters():
        if name.endswith(("cls_token", "pos_embed", "bias_k", "bias_v", "token_embedding.weight")):
            nn.init.normal_(p, std=0.02)
        elif name.endswith("in_proj_weight"):
            nn.init.xavier_uniform_(p)
    rows = (sizes.bins - sizes.square) // sizes.stride + 1
    for modality, high in (("vision", sizes.side // sizes.patch), ("audio", rows)):
        places = net.modality_preprocessors[modality].pos_embedding_helper.pos_embed
        places.data[0, 1:] = waves(high, (places.shape[1] - 1) // high, places.shape[2])
    return net


def waves(rows: int, columns: int, width: int) -> Tensor:
    """(rows · columns, width): sines and cosines of where a patch stands (Vaswani et al., arXiv 1706.03762), in 2-D.

    Half as large as a patch's own numbers: with CLIP's 0.02 a small network hardly sees where things are, nor shapes.
    """
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    rates = 1 / 32 ** (torch.arange(width // 4) / (width // 4))
    angles = [axis.reshape(-1, 1) * rates for axis in (y, x)]
    return 0.5 * torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], 1)


def ids(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """(B, CONTEXT) token numbers, 0 behind the end."""
    rows = [tokenizer(text, truncation=True, max_length=CONTEXT).input_ids for text in texts]
    return torch.tensor([row + [0] * (CONTEXT - len(row)) for row in rows])


def pixels(scenes: Sequence[Scene]) -> Tensor:
    """(B, 3, SIDE, SIDE) with CLIP's mean and deviation."""
    return _normal([draw(scene) for scene in scenes])


def _normal(drawings: Sequence[Drawing]) -> Tensor:
    rgb = torch.from_numpy(np.stack([drawing.rgb for drawing in drawings])).permute(0, 3, 1, 2).float() / 255
    return (rgb - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def contrast(logits: Tensor, fits: Tensor) -> Tensor:
    """InfoNCE in both directions (CLIP, arXiv 2103.00020), where more than one may fit; logits, fits (B, B).

    fits: bool; every row and column has at least one True, and those of a row share its probability evenly.
    """
    loss = logits.new_zeros(())
    for scores, true in ((logits, fits), (logits.T, fits.T)):
        share = true.to(logits.dtype) / true.sum(1, keepdim=True)
        loss = loss - (share * F.log_softmax(scores, 1)).sum(1).mean() / 2
    return loss


class Learning(nn.Module):
    """The encoder, and the head that says what a patch shows: of what shape, texture and size, and where in it.

    It reads what stands before the last block, so that the class token can still gather it there.
    """

    def __init__(self, encoder: ImageBind) -> None:
        super().__init__()
        self.encoder = encoder
        self.patches = nn.Sequential(
            nn.LayerNorm(encoder.config.vision.width),
            nn.Linear(encoder.config.vision.width, sum(HEADS)),
        )

    def forward(self, x: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, SIDE, SIDE) of which only the patches keep (B, K) are looked at → (B, D), (B, K, heads).

        Few patches learn as much in less time (Li et al., arXiv 2212.00794).
        """
        parts = (self.encoder.modality_preprocessors, self.encoder.modality_trunks, self.encoder.modality_heads)
        stem, trunk, head = (part["vision"] for part in parts)
        tokens = stem(x)
        rows = keep[..., None].expand(-1, -1, tokens.shape[2])
        *early, last = trunk.blocks
        states = trunk.pre_transformer_layer(torch.cat([tokens[:, :1], tokens[:, 1:].gather(1, rows)], 1))
        for block in early:
            states = block(states)
        return F.normalize(head(last(states)), dim=-1), self.patches(states[:, 1:])


def patch_truth(drawings: Sequence[Drawing], scenes: Sequence[Scene], patch: int) -> tuple[Tensor, Tensor]:
    """What each patch shows (B, P, 3): the numbers of a thing's shape, texture and size, or how many there are of each
    for none; and how much of each of its CELLS × CELLS parts a thing covers (B, P, CELLS²), 0…1."""
    kinds, cells = [], []
    for drawing, scene in zip(drawings, scenes, strict=True):
        covers = torch.from_numpy(np.stack([*drawing.covers, np.full((SIDE, SIDE), 0.15, np.float32)]))
        numbers = torch.tensor([*(_numbers(thing) for thing in scene.things), tuple(head - 1 for head in HEADS[:-1])])
        kinds.append(numbers[F.avg_pool2d(covers[:, None], patch)[:, 0].argmax(0).flatten()])
        fine = F.avg_pool2d(covers[None, :-1].sum(1, keepdim=True).clamp(0, 1), patch // CELLS)
        cells.append(F.unfold(fine, CELLS, stride=CELLS)[0].T)
    return torch.stack(kinds), torch.stack(cells)


def _numbers(thing: Thing) -> tuple[int, ...]:
    return SHAPES.index(thing.shape), TEXTURES.index(thing.texture), tuple(SIZES).index(thing.size)


def worth(cells: Tensor, noise: Tensor, count: int) -> Tensor:
    """The patches (B, count) to look at: those with things, then some of the others; cells (B, P, …), noise (B, P)."""
    return (10 * (cells.amax(-1) > 0) + noise).topk(count, 1).indices


def patch_loss(told: Tensor, kinds: Tensor, cells: Tensor) -> Tensor:
    """Cross-entropy of what patches show, and of where; told (B, K, heads), kinds (B, K, 3), cells (B, K, CELLS²).

    The shape, which is hardest to see, counts as much as texture and size together.
    """
    *what, where = torch.split(told, list(HEADS), -1)
    shape, texture, size = (F.cross_entropy(one.flatten(0, 1), kinds[..., i].flatten()) for i, one in enumerate(what))
    return shape + (texture + size) / 2 + 2 * F.binary_cross_entropy_with_logits(where, cells)


def text_recipe(net: ImageBind, tokenizer: CLIPTokenizer, seed: int = 3, steps: int = TEXT_STEPS) -> Recipe:
    """Pictures and captions, fresh ones at every step."""
    device = next(net.parameters()).device
    for p in net.parameters():
        p.requires_grad_(True)
    for part in _parts(net, "audio"):
        part.requires_grad_(False)
    learning = Learning(net).to(device)

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((17, seed, step))
        scenes = families(rng, BATCH)
        said = [caption(scene, behind=rng.random() >= UNSAID) for scene in scenes]
        fits = torch.tensor([[one == other for other in said] for one in said], device=device)
        drawings = [draw(scene) for scene in scenes]
        kinds, cells = patch_truth(drawings, scenes, net.config.patch)
        count = KEPT if step < WHOLE * steps else net.config.patches
        keep = worth(cells, torch.rand(kinds.shape[:2], generator=generator(seed, step)), count)
        v, told = learning(_normal(drawings).to(device), keep.to(device))
        t = net.text(ids(tokenizer, said).to(device))
        kept = [one.gather(1, keep[..., None].expand(-1, -1, one.shape[2])) for one in (kinds, cells)]
        return contrast(v @ t.T, fits) + patch_loss(told, *(one.to(device) for one in kept))

    return Recipe(TEXT, learning, loss, steps, rate=RATE_OF_LEARNING)


def sound_recipe(net: ImageBind, seed: int = 4, steps: int = SOUND_STEPS) -> Recipe:
    """Sounds and pictures of what they stand for; only what hears goes on learning."""
    device = next(net.parameters()).device
    for p in net.parameters():
        p.requires_grad_(False)
    for part in _parts(net, "audio"):
        part.requires_grad_(True)

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((19, seed, step))
        played = [pick(rng, NAMES) for _ in range(BATCH)]
        scenes = [scene_for(rng, name) for name in played]
        fits = torch.tensor([[true_of(name, scene) for name in played] for scene in scenes], device=device)
        with torch.no_grad():
            v = net.vision(pixels(scenes).to(device))
        a = net.audio(heard(played, [int(take) for take in rng.integers(TAKES, size=BATCH)]).to(device))
        return contrast(v @ a.T, fits)

    return Recipe(SOUND, net, loss, steps, rate=RATE_OF_LEARNING)


def _parts(net: ImageBind, modality: str) -> list[nn.Module]:
    """The modules of one branch."""
    kinds = (net.modality_preprocessors, net.modality_trunks, net.modality_heads, net.modality_postprocessors)
    return [kind[modality] for kind in kinds]


def heard(names: Sequence[str], takes: Sequence[int]) -> Tensor:
    """(B, 1, 1, bins, frames): one clip of each, which is all of it."""
    return torch.stack([_clip(name, take) for name, take in zip(names, takes, strict=True)])


@cache
def _clip(name: str, take: int) -> Tensor:
    sizes = config(0)
    features = imagebind_features(Sound(sound(name, take), RATE), sizes.bins, sizes.frames)
    return torch.from_numpy(features[:1])


@dataclass(frozen=True)
class Plan:
    """What is asked of a training: the steps of its two recipes, and what weights and batches are drawn from."""

    text: int = TEXT_STEPS
    sound: int = SOUND_STEPS
    seed: int = 0


def train(out: Path, minutes: float, plan: Plan = Plan(), device: str = "cpu") -> bool:
    """The first recipe, the second when that is done, as far as the time goes; then the folder `out/encoder`.

    True where both are at their ends. Called again, it goes on where it was; BadWeights where the folder has another
    training.
    """
    deadline = time.monotonic() + 60 * minutes
    claimed(out, "encoder", asdict(plan), own=(TEXT, SOUND))
    tokens.write(out / "tokenizer")
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(out / "tokenizer", local_files_only=True)
    net = network(config(len(tokenizer)), plan.seed).to(device)
    done = learnt(text_recipe(net, tokenizer, plan.seed + 3, plan.text), out, deadline)
    done = done and learnt(sound_recipe(net, plan.seed + 4, plan.sound), out, deadline)
    encoder_pack.write(net, out / "encoder")
    return done


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.encoder", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/training/encoder"))
    for name, usual in asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    args = parser.parse_args()
    logged(args.out)
    plan = Plan(args.text, args.sound, args.seed)
    train(args.out, args.budget, plan, "cuda" if torch.cuda.is_available() else "cpu")


if __name__ == "__main__":
    main()
