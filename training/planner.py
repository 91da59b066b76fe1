"""Recipe "planner": an LLM and its heads, taught turn by turn. One loss for three stages; what differs is the turns.

Stage 1, language alignment: an item is described, P_in learns. Stage 2, generation: a caption or a sound is answered by
`<gen>`, P_out learns. Stage 5, instructions: whole plans. (Stages 3 and 4 are the decoder's.) After InstructAny2Pix,
arXiv 2312.06738; the pointer, the contextual key and the contrastive term are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from agent.heads import Heads, contrast, regression
from training.loop import Recipe
from training.turns import UNHEARD, Batch

POINTING, READING, CONTRAST = 1.0, 1.0, 0.5
"""λ_p, λ_r and the weight of InfoNCE beside the tokens' cross-entropy."""


class Planner(nn.Module):
    """A Llama and its heads. `forward`: the loss of a batch."""

    def __init__(self, llm: LlamaForCausalLM, heads: Heads) -> None:
        super().__init__()
        self.llm, self.heads = llm, heads

    def forward(self, batch: Batch) -> Tensor:
        return losses(self, batch).whole


@dataclass(frozen=True, eq=False)
class Losses:
    """Each a mean over what it is about; 0 where a batch has none of it."""

    tokens: Tensor
    pointing: Tensor
    reading: Tensor
    contrast: Tensor

    @property
    def whole(self) -> Tensor:
        """What is minimised."""
        return self.tokens + POINTING * self.pointing + READING * self.reading + CONTRAST * self.contrast


def states(net: Planner, batch: Batch) -> Tensor:
    """The LLM's last states with the items' embeddings spliced in, (B, L, H)."""
    x = net.llm.get_input_embeddings()(batch.ids)
    turn, position, row = batch.spliced.unbind(1)
    into = net.heads.spliced(batch.h[turn, row], batch.roles[turn, row])
    x = x.index_put((turn, position), into.to(x.dtype))
    return net.llm.model(inputs_embeds=x, attention_mask=batch.there.long()).last_hidden_state  # type: ignore[no-any-return]


def losses(net: Planner, batch: Batch) -> Losses:
    """Token cross-entropy of the replies, cross-entropy of the pointer; regression and InfoNCE of what is read out."""
    hidden = states(net, batch)
    said = batch.labels[:, 1:] != UNHEARD
    logits = net.llm.lm_head(hidden[:, :-1][said])
    nothing = hidden.new_zeros(())
    e, h = read_out(net, batch, hidden)
    return Losses(
        tokens=F.cross_entropy(logits.float(), batch.labels[:, 1:][said]),
        pointing=pointing(net, batch, hidden) if len(batch.refs) else nothing,
        reading=regression(e, h).mean() if len(e) else nothing,
        contrast=contrast(e, h) if len(e) > 1 else nothing,
    )


def scores(net: Planner, batch: Batch, hidden: Tensor) -> Tensor:
    """The pointer's fused score of every item at every reference, −∞ where it is not legal. (R, n)"""
    turn, position, _ = batch.refs.unbind(1)
    z = hidden[turn, position].float()
    u = hidden[turn[:, None], batch.marks[turn]].float()
    of_slots = net.llm.lm_head(hidden[turn, position]).float().gather(1, batch.slots[turn])
    log_p = torch.log_softmax(of_slots.masked_fill(~batch.legal, -torch.inf), -1).masked_fill(~batch.legal, 0)
    return net.heads.terms(z, batch.h[turn], u, log_p).sum(0).masked_fill(~batch.legal, -torch.inf)


def pointing(net: Planner, batch: Batch, hidden: Tensor) -> Tensor:
    """Cross-entropy over the items of the session, of the fused score and of the contextual key alone.

    Where what is seen decides mostly, the key would hardly learn the rest: what came first, or before what.
    """
    turn, position, row = batch.refs.unbind(1)
    known = net.heads.known(hidden[turn, position].float(), hidden[turn[:, None], batch.marks[turn]].float())
    alone = F.cross_entropy(known.masked_fill(~batch.legal, -torch.inf), row)
    return F.cross_entropy(scores(net, batch, hidden), row) + alone


def read_out(net: Planner, batch: Batch, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """What is read out at each `<base>`, `<sub>` and `<gen>`; the items and results that are meant. (R + G, D) each,
    R of those references whose item was looked at: 0 is no embedding that could be said."""
    turn, position, row = batch.refs.unbind(1)
    meant = batch.h[turn, row]
    seen = meant.any(-1)
    at = torch.cat([hidden[turn[seen], position[seen]], hidden[batch.gens[:, 0], batch.gens[:, 1]]])
    return net.heads.leave(at.float()), torch.cat([meant[seen], batch.wanted])


def small(
    vocabulary: int, width: int = 192, layers: int = 4, context: int = 2048, tied: bool = False
) -> LlamaForCausalLM:
    """The starter's Llama: Vicuna's architecture at a few million parameters.

    `tied`: one table for reading and saying, so that to say again what was read needs no second one to learn it.
    """
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=(width * 8 // 3 + 31) // 32 * 32,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        max_position_embeddings=context,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config)


def recipe(
    net: Planner, turns: Callable[[int], Batch], steps: int, name: str = "planner", rate: float = 1e-3
) -> Recipe:
    """`turns(step)`: the batch of a step, from its number alone."""
    device = next(net.parameters()).device
    return Recipe(name, net, lambda step: net(turns(step).to(device)), steps, rate=rate)
