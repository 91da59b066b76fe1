"""One plan from an LLM, token by token: the grammar's mask, the pointer for references, states where they are read.

Greedy for structure and text alike: the same prompt gives the same plan. What the plan means is `planners.token_heads`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent import pointer
from agent.grammar import Decoding
from agent.heads import Heads
from agent.llm import Thread
from agent.pointer import Mode, Pick, Pool
from agent.tokens import GEN, PREV, Vocabulary


@dataclass(eq=False)
class Decoded:
    """The ids of a plan. `picks`: the references that were chosen among items, in order (None: `<prev>`).

    `gen`: P_out of the state at each `<gen>`, (D): what a step's result should look like.
    """

    ids: list[int] = field(default_factory=list)
    picks: list[Pick | None] = field(default_factory=list)
    gen: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Reader:
    """What a plan is read with. `heads` None: an LLM without, whose slot tokens alone decide."""

    vocabulary: Vocabulary
    heads: Heads | None
    mode: Mode

    def decode(self, thread: Thread, logits: NDArray[np.float32], pool: Pool, decoding: Decoding) -> Decoded:
        """From the logits behind the prompt to the plan's last token."""
        made = Decoded()
        z = torch.zeros(pool.u.shape[-1])
        slots = {self.vocabulary.slot(slot): slot for slot in pool.slots}
        while not decoding.done:
            allowed = np.flatnonzero(decoding.mask())
            if decoding.expects is not None:
                token = self._reference(logits, allowed, slots, pool, z, made)
            else:
                token = int(allowed[logits[allowed].argmax()])
            decoding.consume(token)
            made.ids.append(token)
            if decoding.done:
                break
            reading = thread.feed([token], read=(0,))
            logits, z = reading.logits, torch.from_numpy(reading.states[0])
            if token == self.vocabulary.ids[GEN] and self.heads is not None:
                made.gen.append(self.heads.leave(z))
        return made

    def _reference(
        self,
        logits: NDArray[np.float32],
        allowed: NDArray[np.intp],
        slots: Mapping[int, int],
        pool: Pool,
        z: Tensor,
        made: Decoded,
    ) -> int:
        """First whether the step before is meant or an item, by what the LLM gives to each; then which item."""
        prev = self.vocabulary.ids[PREV]
        named = [int(token) for token in allowed if int(token) in slots]
        log_p = torch.log_softmax(torch.from_numpy(logits[allowed]).float(), 0)
        place = {int(token): i for i, token in enumerate(allowed)}
        of_items = log_p[[place[token] for token in named]]
        if prev in place and (not named or log_p[place[prev]] >= torch.logsumexp(of_items, 0)):
            made.picks.append(None)
            return prev
        live = pool.only([slots[token] for token in named])
        pick = pointer.choose(self.heads, live, z, of_items, self.mode)
        made.picks.append(pick)
        return self.vocabulary.slot(pick.slot)
