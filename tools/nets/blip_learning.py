"""What a Q-Former learns to see with: BLIP-2's three losses over one network, which differ in who may look at whom.

Li, Li, Savarese, Hoi, "BLIP-2" (ICML 2023, arXiv 2301.12597), section 3.2: a text is told from other texts by the query
that is most like it (contrast), query and words together say whether picture and text match (matching), and words are
said from what the queries have seen (generation). The heads are used in training only and stand beside the encoder, so
that its tensors keep their names. No loop, no data.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tools.nets.qformer import EPS, SubjectConfig, SubjectEncoder

SPACE = 256
"""Of the vectors that are compared."""
TEMPERATURE, TEMPERATURES = 0.07, (0.001, 0.5)
"""At first, and between which it learns, as the authors hold it."""
SMOOTHED = 0.1
"""Label smoothing of contrast and generation."""
UNLIKELY = 1e-4
"""What even the most unlike pair weighs as a hard negative."""


class Losses(NamedTuple):
    """Of a batch, one number each; their sum is learnt from."""

    contrast: Tensor
    matching: Tensor
    generation: Tensor


class Heads(nn.Module):
    """What is read off the states: vectors to compare, whether both match, the next word. Named as LAVIS's are."""

    def __init__(self, config: SubjectConfig, space: int = SPACE) -> None:
        super().__init__()
        width = config.width
        self.vision_proj = nn.Linear(width, space)
        self.text_proj = nn.Linear(width, space)
        self.itm_head = nn.Linear(width, 2)
        self.transform = nn.ModuleDict({"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, EPS)})
        self.bias = nn.Parameter(torch.zeros(config.words))
        self.temp = nn.Parameter(torch.tensor(TEMPERATURE))

    def next_words(self, x: Tensor, table: Tensor) -> Tensor:
        """Logits (…, words) of states (…, width); `table` (words, width) is the one that words are read with."""
        return F.linear(self.transform["LayerNorm"](F.gelu(self.transform["dense"](x))), table, self.bias)


# Who sees whom: bool (B, 1, Q + L, Q + L), row i looks at column j. words: bool (B, L), False where padding.


def apart(queries: int, words: Tensor) -> Tensor:
    """Contrast: queries see queries, words see words, and neither the other."""
    seen = _nobody(queries, words)
    seen[..., :queries, :queries] = True
    seen[..., queries:, queries:] = words[:, None, None]
    return seen


def together(queries: int, words: Tensor) -> Tensor:
    """Matching: all see all but padding."""
    seen = _nobody(queries, words)
    seen[..., :queries] = True
    seen[..., queries:] = words[:, None, None]
    return seen


def in_turn(queries: int, words: Tensor) -> Tensor:
    """Generation: queries see queries only, a word sees the queries, the words before it and itself."""
    seen = _nobody(queries, words)
    seen[..., :queries] = True
    before = torch.ones(words.shape[1], words.shape[1], dtype=torch.bool, device=words.device).tril()
    seen[..., queries:, queries:] = before & words[:, None, None]
    return seen


def _nobody(queries: int, words: Tensor) -> Tensor:
    size = queries + words.shape[1]
    return words.new_zeros(len(words), 1, size, size)


# Three losses. image: (B, tokens, width of the image); ids, words: (B, L), ids of [CLS] … [SEP] and no padding.


def losses(
    encoder: SubjectEncoder, heads: Heads, image: Tensor, ids: Tensor, words: Tensor, random: torch.Generator
) -> Losses:
    """All three of pictures and the texts that go with them, row by row; `random` draws the hard negatives."""
    same = alike(ids)
    with torch.no_grad():
        heads.temp.clamp_(*TEMPERATURES)
    likeness = similarities(encoder, heads, image, ids, words)
    other_image, other_text = hard_negatives(likeness.detach(), same, random)
    pictures = torch.cat([image, image[other_image], image])
    texts, masks = (torch.cat([one, one, one[other_text]]) for one in (ids, words))
    fits = torch.arange(3 * len(ids), device=ids.device) < len(ids)
    return Losses(
        contrast(likeness, same),
        F.cross_entropy(matches(encoder, heads, pictures, texts, masks), fits.long()),
        generation(encoder, heads, image, ids, words),
    )


def alike(ids: Tensor) -> Tensor:
    """bool (B, B): which rows say the same. A small world repeats itself, and a repeated text is no wrong one."""
    return (ids[:, None] == ids).all(-1)


def similarities(encoder: SubjectEncoder, heads: Heads, image: Tensor, ids: Tensor, words: Tensor) -> Tensor:
    """(pictures, texts): the cosine of the text's first token and the query most like it, over the temperature."""
    queries = encoder.config.queries
    x = encoder.states(image, ids, apart(queries, words))
    seen = F.normalize(heads.vision_proj(x[:, :queries]), dim=-1)  # (B, Q, D)
    said = F.normalize(heads.text_proj(x[:, queries]), dim=-1)  # (B, D)
    best: Tensor = torch.einsum("iqd,jd->ijq", seen, said).amax(-1)
    return best / heads.temp


def contrast(likeness: Tensor, same: Tensor) -> Tensor:
    """Cross-entropy over texts and over pictures, the mean of both; `same`: which pairs are right."""
    right = same.to(likeness) / same.sum(1, keepdim=True)
    ways = (likeness, likeness.T)
    return torch.stack([F.cross_entropy(way, right, label_smoothing=SMOOTHED) for way in ways]).mean()


def hard_negatives(likeness: Tensor, same: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """For each text a wrong picture, for each picture a wrong text, (B,) each: the more alike, the more often."""

    def drawn(towards: Tensor) -> Tensor:
        weights = (towards.float().softmax(1) + UNLIKELY).masked_fill(same, 0)
        weights = weights.where(weights.sum(1, keepdim=True) > 0, 1.0)  # all say the same: any
        return torch.multinomial(weights.cpu(), 1, generator=random)[:, 0].to(likeness.device)

    return drawn(likeness.T), drawn(likeness)


def matches(encoder: SubjectEncoder, heads: Heads, image: Tensor, ids: Tensor, words: Tensor) -> Tensor:
    """Logits (B, 2) of "does not match" and "matches": the mean over the queries."""
    queries = encoder.config.queries
    x = encoder.states(image, ids, together(queries, words))
    out: Tensor = heads.itm_head(x[:, :queries]).mean(1)
    return out


def generation(encoder: SubjectEncoder, heads: Heads, image: Tensor, ids: Tensor, words: Tensor) -> Tensor:
    """Cross-entropy of each word given the picture and the words before it; padding does not count."""
    logits, following = said(encoder, heads, image, ids, words)
    return F.cross_entropy(logits[words[:, 1:]], following[words[:, 1:]], label_smoothing=SMOOTHED)


def said(encoder: SubjectEncoder, heads: Heads, image: Tensor, ids: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, L − 1, words) of what follows each token but the last, and what does. [DEC], the last word of the
    table, stands where [CLS] did: it says that words are to be said."""
    queries, table = encoder.config.queries, encoder.embeddings.word_embeddings.weight
    begun = ids.clone()
    begun[:, 0] = len(table) - 1
    x = encoder.states(image, begun, in_turn(queries, words))
    return heads.next_words(x[:, queries:-1], table), ids[:, 1:]
