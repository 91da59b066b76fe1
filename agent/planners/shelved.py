"""The planner with token heads that lies on the shelf, loaded when it is first asked something.

Most commands plan nothing, or nothing that the rules leave to it: they should not wait for weights. Which weights there
are is the shelf's to say, what they do `token_heads`'.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agent.plan import Context, Plan
from agent.sight import Sight
from tools import shelf
from tools.shelf import PLANNER

if TYPE_CHECKING:
    import torch

    from agent.planners.checkpoint import Backend
    from agent.planners.in_context import InContext
    from agent.planners.released import Released
    from agent.planners.token_heads import TokenHeads
    from tools.shelf import Shelf

NAME = "token_heads"


@dataclass
class Shelved:
    """Implements `agent.plan.Planner`. MissingWeights or BadWeights where its weights are not there or damaged."""

    home: Path
    sight: Sight
    backend: Backend = "torch"

    @property
    def name(self) -> str:
        loaded = self.__dict__.get("planner")
        return loaded.name if loaded is not None else NAME

    def plan(self, text: str, context: Context) -> Plan:
        """The plan of one message."""
        return self.planner.plan(text, context)

    @cached_property
    def planner(self) -> TokenHeads | Released | InContext:
        """What plans."""
        there = shelf.at(self.home)
        return there.part(
            PLANNER, f"{PLANNER} on {self.backend}", lambda folder, device: self._loaded(there, folder, device)
        )

    def _loaded(self, there: Shelf, folder: Path, device: torch.device) -> TokenHeads | Released | InContext:
        from agent.perception import Perception
        from agent.planners import checkpoint, in_context, released

        ours = (folder / PLANNER / checkpoint.CARD).exists()
        if not ours and not _has_projectors(folder / PLANNER):
            return in_context.load(folder / PLANNER, there.entry(PLANNER).name, self.backend)
        wanted = checkpoint.card(folder / PLANNER).encoder if ours else ""
        seen = Perception(there.encoder(wanted), there.cache, self.sight)
        if ours:
            return checkpoint.load(folder / PLANNER, seen, self.backend)
        return released.load(folder / PLANNER, seen, device)


def _has_projectors(folder: Path) -> bool:
    """Whether a folder is a checkpoint of InstructAny2Pix, whole or not; no other model has these layers."""
    from agent.heads import RELEASED
    from agent.llm import checkpoint

    theirs = tuple(f"model.{name}" for name in RELEASED)
    return any(name.startswith(theirs) for name in checkpoint.names(folder))
