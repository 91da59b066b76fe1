"""Refinement priors: from an embedding of words, a sound or a planner's reply to that of a good picture of the same.

InstructAny2Pix (Li et al., arXiv 2312.06738, stage 3) asks for the picture's embedding given the other one and an
aesthetic score. `ReleasedPrior` is the transformer as it was released, which differs from the paper and is followed to
the letter; `Prior` is our own, a residual MLP (`training.prior`). Both are guided by what they say when they know
nothing, y = x_u + g (x_c − x_u) (Ho & Salimans, arXiv 2207.12598). Encodes and decodes no pictures.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from torch.nn import functional as F

from sessions.errors import BadWeights
from tools import weights
from tools.nets.clip_blocks import attend
from tools.nets.filling import fill

IMAGE, AUDIO, TEXT, VIDEO = range(4)
"""Where an embedding comes from; `Prior` knows the first three."""
SCORE = 6.5
"""The aesthetic score, of 0…10, that is asked for."""
NORM, GUIDANCE, NOTHING = 100.0, 10.0, 2.0
"""Of the released prior: the norm of what it is fed, g, and what stands for the score where none is known."""
BASE = 10_000.0
"""Of the rates of a sinusoid."""
LENGTH = 11
"""Tokens that it reads."""
HEAD = 64
"""Channels of an attention head, in GPT-2 as in CLIP."""
AGAIN = "Get the released prior/model.bin again."
PREFIX = "module."
TOWER = "cond_stage_models.0.model.text_model."
"""Where a released file has CLIP's text tower."""
STATES = "empty_text_states"
"""What the tower is needed for; a file that has it needs none."""
UNUSED = ("model.wte.weight", "cond_stage_models.")
MASKS = (".attn.bias", ".attn.masked_bias")
"""How the names of GPT-2's old mask buffers end; not those of `attn.c_attn.bias`."""
_CONV1D = re.compile(r"model\.h\.\d+\.(attn|mlp)\.c_\w+\.weight")


def guided(x_c: Tensor, x_u: Tensor, g: float) -> Tensor:
    """x_u + g (x_c − x_u): from what is said of nothing, g times as far as to what is said of something."""
    return x_u + g * (x_c - x_u)


def sinusoid(score: Tensor, width: int) -> Tensor:
    """Scores (n,) as cosines, then sines, of width / 2 rates 10000^(−2i / width). (n, width), −1…1."""
    rates = torch.exp(-math.log(BASE) * torch.arange(0, width, 2, device=score.device).to(score) / width)
    angles = score[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)


@dataclass(frozen=True)
class ReleasedConfig:
    """All sizes; the defaults are those of the release, whose transformer is a GPT-2 medium.

    `width`: of tokens and of embeddings, D; `text`: of CLIP's text states; `waves`: of the score's sinusoid; `sources`,
    `slots`: rows of the tables of source types and of the tokens that begin and end a part.
    """

    layers: int = 24
    width: int = 1024
    heads: int = 16
    positions: int = 1024
    text: int = 1024
    waves: int = 512
    sources: int = 10
    slots: int = 32


class Attention(nn.Module):
    """Causal self-attention whose three projections are one matrix."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.c_attn(x).chunk(3, dim=-1)
        out: Tensor = self.c_proj(attend(q, k, v, self.heads, causal=True))
        return out


class FeedForward(nn.Module):
    """Two linear maps around the GELU with a hyperbolic tangent."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))
        return out


class Block(nn.Module):
    """x + attention(LN x), then x + feed-forward(LN x)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        x = x + self.mlp(self.ln_2(x))
        return x


class Transformer(nn.Module):
    """GPT-2 (Radford et al., 2019) without words: tokens (n, L, width) → its states, after the last LayerNorm."""

    def __init__(self, config: ReleasedConfig) -> None:
        super().__init__()
        self.wpe = nn.Embedding(config.positions, config.width)
        self.h = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.layers))
        self.ln_f = nn.LayerNorm(config.width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.wpe.weight[: x.shape[1]]
        for block in self.h:
            x = block(x)
        out: Tensor = self.ln_f(x)
        return out


class ReleasedPrior(nn.Module):
    """InstructAny2Pix's prior in the one step that its inference takes; modules are named as its tensors are.

    It reads eleven tokens: the type of the source, then three parts, each between a token that begins and one that ends
    it: the embedding, CLIP's two text states of the empty string, the score. It was trained to denoise a picture's
    embedding, but neither the time nor, in one step, the noisy embedding ever reaches it.
    """

    empty_text_states: Tensor

    def __init__(self, config: ReleasedConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.modality_embedding = nn.Embedding(config.sources, width)
        self.start_of_sequence_tokens = nn.Embedding(config.slots, width)
        self.end_of_sequence_tokens = nn.Embedding(config.slots, width)
        fed = {"1": width, "2": config.text, "3": config.waves}
        self.input_sequence_embed_linear = nn.ModuleDict({n: nn.Linear(size, width) for n, size in fed.items()})
        self.model = Transformer(config)
        self.register_buffer(STATES, torch.zeros(2, config.text))

    def tokens(self, h: Tensor, score: Tensor) -> Tensor:
        """Embeddings h (n, D) at norm 100 or 0, scores as waves (n, waves) → (n, 11, width)."""
        parts = h[:, None], self.empty_text_states.expand(len(h), -1, -1), score[:, None]
        read = [self.modality_embedding.weight[VIDEO].expand(len(h), 1, -1)]
        for slot, part in enumerate(parts, start=1):
            begin, end = (
                table.weight[slot].expand(len(h), 1, -1)
                for table in (self.start_of_sequence_tokens, self.end_of_sequence_tokens)
            )
            read += [begin, self.input_sequence_embed_linear[str(slot)](part), end]
        return torch.cat(read, dim=1)

    def forward(self, h: Tensor, score: Tensor) -> Tensor:
        """As `tokens` → a picture's embedding as it was learnt, (n, D): the last state, of no certain norm."""
        states: Tensor = self.model(self.tokens(h, score))
        return states[:, -1]

    def guided(self, e: Tensor) -> Tensor:
        """Embeddings (n, D) of any norm → y = x_u + 10 (x_c − x_u), (n, D), of no certain norm.

        x_c: of e at norm 100 and the sinusoid of 6.5; x_u: of h = 0 and 2.0 in place of every wave.
        """
        h = NORM * F.normalize(e.to(self.empty_text_states), dim=-1)
        score = sinusoid(h.new_full((len(h),), SCORE), self.config.waves)
        return guided(self(h, score), self(torch.zeros_like(h), torch.full_like(score, NOTHING)), GUIDANCE)

    def refined(self, e: Tensor) -> Tensor:
        """Embeddings (n, D) of any norm → (n, D), L2 norm 1: only the direction of `guided` is used."""
        return F.normalize(self.guided(e), dim=-1)


class Loaded(NamedTuple):
    """A prior, and the names of the file's tensors that were left where they are."""

    prior: ReleasedPrior
    ignored: tuple[str, ...]


def released(path: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Loaded:
    """The released prior of a .bin, .pth or .safetensors file, frozen; BadWeights names what does not fit.

    The text tower in the file is run once, on the empty string, and forgotten; a file that has `empty_text_states`
    (2, text) needs none. Heads have 64 channels each.
    """
    found = weights.tensors(path) if path.suffix == weights.SUFFIX else weights.pickled(path)
    plain = {name.removeprefix(PREFIX): tensor for name, tensor in found.items()}
    taken = {
        name: tensor.movedim(0, -1) if _CONV1D.fullmatch(name) else tensor
        for name, tensor in plain.items()
        if _used(name)
    }
    if with_tower := STATES not in taken:
        taken[STATES] = empty_text_states(plain)
    with torch.device("meta"):
        prior = ReleasedPrior(config_of({name: tuple(tensor.shape) for name, tensor in taken.items()}))
    fill(prior, taken, "InstructAny2Pix's prior", AGAIN)
    ignored = [name for name in plain if name not in taken and not (with_tower and name.startswith(TOWER))]
    return Loaded(prior.to(device, dtype).eval().requires_grad_(False), tuple(sorted(ignored)))


def _used(name: str) -> bool:
    return not name.startswith(UNUSED) and not name.endswith(MASKS)


def config_of(sizes: Mapping[str, tuple[int, ...]]) -> ReleasedConfig:
    """The sizes of tensors of these shapes, maps as [out, in]; BadWeights names one that is missing or too small."""
    width = _size(sizes, "model.ln_f.weight", 0)
    return ReleasedConfig(
        layers=max(1, len({name.split(".")[2] for name in sizes if name.startswith("model.h.")})),
        width=width,
        heads=_heads("model.ln_f.weight", width),
        positions=_size(sizes, "model.wpe.weight", 0, least=LENGTH),
        text=_size(sizes, "input_sequence_embed_linear.2.weight", 1),
        waves=_size(sizes, "input_sequence_embed_linear.3.weight", 1),
        sources=_size(sizes, "modality_embedding.weight", 0, least=VIDEO + 1),
        slots=_size(sizes, "start_of_sequence_tokens.weight", 0, least=4),
    )


def _size(sizes: Mapping[str, tuple[int, ...]], name: str, axis: int, least: int = 1) -> int:
    if name not in sizes:
        raise BadWeights(f"These weights lack {name}, which InstructAny2Pix's prior has.", AGAIN)
    if len(sizes[name]) != 2 - name.endswith("ln_f.weight") or sizes[name][axis] < least:
        raise BadWeights(f"In these weights {name} is {list(sizes[name])}, which no tensor of that name is.", AGAIN)
    return sizes[name][axis]


def _heads(name: str, width: int) -> int:
    if width < HEAD or width % HEAD:
        raise BadWeights(f"In these weights {name} has {width} channels, which are no heads of {HEAD}.", AGAIN)
    return width // HEAD


def empty_text_states(found: Mapping[str, Tensor]) -> Tensor:
    """CLIP's text states of the empty string after its last LayerNorm, (2, text): where a text begins and ends.

    found: the tensors of a released file, the tower's among them; its two last tokens are those. BadWeights where there
    is no tower, or one that does not fit.
    """
    from transformers import CLIPTextConfig, CLIPTextModel  # slow to import, and needed once

    tower = {name.removeprefix(TOWER): tensor for name, tensor in found.items() if name.startswith(TOWER)}
    tower.pop("embeddings.position_ids", None)
    if not tower:
        raise BadWeights(f"These weights have neither the text tower {TOWER}* nor {STATES}, and one is needed.", AGAIN)
    sizes = {name: tuple(tensor.shape) for name, tensor in tower.items()}
    words, width = (_size(sizes, "embeddings.token_embedding.weight", axis, least=2) for axis in (0, 1))
    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=_size(sizes, "encoder.layers.0.mlp.fc1.weight", 0),
        num_hidden_layers=len({name.split(".")[2] for name in sizes if name.startswith("encoder.layers.")}),
        num_attention_heads=_heads("embeddings.token_embedding.weight", width),
        max_position_embeddings=_size(sizes, "embeddings.position_embedding.weight", 0, least=2),
        hidden_act="gelu",
        bos_token_id=words - 2,
        eos_token_id=words - 1,
    )
    with torch.device("meta"):
        clip: nn.Module = CLIPTextModel(config)
    fill(clip, tower, "the prior's text tower", AGAIN)
    ids, places = torch.tensor([[words - 2, words - 1]]), torch.arange(2)[None]
    with torch.inference_mode():
        states: Tensor = clip.float().eval()(input_ids=ids, position_ids=places).last_hidden_state[0]
    return states.clone()


class PriorConfig(BaseModel):
    """All sizes of our own prior, as its `config.json` has them.

    `space`: D; `encoder`: the digest of the encoder whose embeddings it has learnt, "" where nobody knows; `width`,
    `blocks`: of the MLP; `waves`: of the score's sinusoid, and as many numbers say where an embedding is from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    space: int = Field(gt=0)
    width: int = Field(default=512, gt=0)
    blocks: int = Field(default=3, gt=0)
    waves: int = Field(default=64, gt=0, multiple_of=2)
    encoder: str = ""


class Residual(nn.Module):
    """x + a linear map of the GELU of one of LN x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.rise = nn.Linear(width, width)
        self.fall = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.fall(F.gelu(self.rise(self.norm(x))))
        return out


class Prior(nn.Module):
    """Our own prior: a pre-norm residual MLP on [e; score; source] that says what a picture's embedding has besides e.

    In training e and score are left out now and then, each by itself, and a learnt vector stands there instead. New, it
    changes nothing.
    """

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        self.no_embedding = nn.Parameter(F.normalize(torch.randn(config.space), dim=0))
        self.no_score = nn.Parameter(torch.zeros(config.waves))
        self.source = nn.Embedding(VIDEO, config.waves)
        self.enter = nn.Linear(config.space + 2 * config.waves, config.width)
        self.blocks = nn.Sequential(*(Residual(config.width) for _ in range(config.blocks)))
        self.norm = nn.LayerNorm(config.width)
        self.leave = nn.Linear(config.width, config.space)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self, e: Tensor, score: Tensor, source: Tensor, known: Tensor | None = None, scored: Tensor | None = None
    ) -> Tensor:
        """e (n, D) of any norm, score (n,) 0…10, source (n,) IMAGE, AUDIO or TEXT → (n, D), L2 norm 1.

        known, scored: bool (n,), False where e or the score is left out; None where none is.
        """
        e, waves = F.normalize(e, dim=-1), sinusoid(score, self.config.waves)
        if known is not None:
            e = torch.where(known[:, None], e, self.no_embedding)
        if scored is not None:
            waves = torch.where(scored[:, None], waves, self.no_score)
        x = self.enter(torch.cat([e * e.shape[1] ** 0.5, waves, self.source(source)], dim=1))
        return F.normalize(e + self.leave(self.norm(self.blocks(x))), dim=-1)

    def refined(self, e: Tensor, score: float = SCORE, source: int = IMAGE, guidance: float = 1.0) -> Tensor:
        """Embeddings (n, D) of any norm → (n, D), L2 norm 1: the direction of x_u + g (x_c − x_u).

        score: 0…10; source: IMAGE, AUDIO or TEXT, for x_u too; guidance: g. With 1 x_c alone counts, and on the toybox
        every larger one was worse: of unseen sounds to what they stand for a mean cosine of 0.95 with 1, 0.78 with 2.
        """
        e = e.to(self.no_embedding)
        scores, sources = e.new_full((len(e),), score), torch.full((len(e),), source, device=e.device)
        nothing = torch.zeros_like(sources, dtype=torch.bool)
        x_c, x_u = self(e, scores, sources), self(e, scores, sources, nothing, nothing)
        return F.normalize(guided(x_c, x_u, guidance), dim=-1)


Refiner = ReleasedPrior | Prior
"""What a tool takes: `refined(e)` of either, embeddings (n, D) of any norm → (n, D), L2 norm 1."""


def save(prior: Prior, folder: Path) -> None:
    """config.json and model.safetensors, in the precision that the prior has."""
    weights.write(folder / "model.safetensors", {name: p.detach().cpu() for name, p in prior.state_dict().items()})
    told = json.dumps(prior.config.model_dump(), indent=2) + "\n"
    (folder / "config.json").write_text(told, encoding="utf-8")


def load(folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Prior:
    """A prior of our own, frozen; BadWeights where its folder is not what `save` writes."""
    try:
        config = PriorConfig.model_validate_json((folder / "config.json").read_bytes())
    except (OSError, ValidationError) as error:
        raise BadWeights(f"{folder / 'config.json'} does not say the sizes of a prior.", "Train it again.") from error
    with torch.device("meta"):
        prior = Prior(config)
    fill(prior, weights.tensors(folder / "model.safetensors"), "the prior", "Train it again.")
    return prior.to(device, dtype).eval().requires_grad_(False)
