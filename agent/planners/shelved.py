"""The planner with token heads that lies on the shelf, loaded when it is first asked something.

Most commands plan nothing, or nothing that the rules leave to it: they should not wait for weights. Which weights there
are is the shelf's to say, what they do `token_heads`'.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.plan import Context, Plan
from agent.sight import Sight
from sessions.errors import MissingWeights
from sessions.values import Json
from tools import shelf
from tools.shelf import PLANNER
from tools.weights import GGUF, World

if TYPE_CHECKING:
    import torch

    from agent.planners.checkpoint import Backend
    from agent.planners.in_context import InContext
    from agent.planners.released import Released
    from agent.planners.token_heads import TokenHeads
    from tools.shelf import Shelf
    from tools.weights import Entry

NAME, CARD = "token_heads", "planner.json"


@dataclass
class Shelved:
    """Implements `agent.plan.Planner`. MissingWeights or BadWeights where its weights are not there or damaged."""

    home: Path
    sight: Sight
    backend: Backend = "torch"
    name: str = NAME

    def plan(self, text: str, context: Context) -> Plan:
        """The plan of one message."""
        planner = self.planner
        self.name = planner.name
        return planner.plan(text, context)

    @property
    def planner(self) -> TokenHeads | Released | InContext:
        """What plans: the shelf's to keep, and to let go where its memory is needed."""
        there = shelf.at(self.home)
        entry = there.checked(suited(there, self.backend))
        return there.part_of(
            entry, f"{PLANNER} on {self.backend}", lambda folder, device: self._loaded(there, folder, device)
        )

    def _loaded(self, there: Shelf, folder: Path, device: torch.device) -> TokenHeads | Released | InContext:
        from agent.perception import Perception
        from agent.planners import checkpoint, in_context, released

        ours = (folder / PLANNER / CARD).exists()
        if not ours and not _has_projectors(folder / PLANNER):
            return in_context.load(folder / PLANNER, suited(there, self.backend).name, self.backend)
        wanted = checkpoint.card(folder / PLANNER).encoder if ours else ""
        encoder = there.encoder(wanted)
        worlds = [entry.world for entry in there.entries() if entry.digest == encoder.digest]
        seen = Perception(encoder, there.cache, self.sight, worlds[0] if worlds else "photos")
        if ours:
            return checkpoint.load(folder / PLANNER, seen, self.backend)
        return released.load(folder / PLANNER, seen, device, lambda: bool(there.taken(released.DRAWING)))


def suited(there: Shelf, backend: Backend) -> Entry:
    """The best planner that a back end can run; MissingWeights, with what helps, where there is none.

    The starter's, which both can, does not stand in for one's own that the other back end runs.
    """
    found = [entry for entry in there.entries() if entry.role == PLANNER]
    if not found:
        raise shelf.missing(PLANNER)
    for entry in [entry for entry in found if entry.pack != shelf.LAST] or found:
        if _runs(entry, backend):
            return entry
    if backend == "llama.cpp":
        raise MissingWeights(
            "No planner here is a GGUF file, and llama.cpp runs no other.",
            "pentimento planner export --gguf DIR, and then: pentimento models add DIR --as planner",
        )
    raise MissingWeights("The planner here is a GGUF file.", "PENTIMENTO_PLANNER=token_heads:llama.cpp runs it.")


def world_of(entry: Entry) -> World:
    """What pictures a planner has seen, by its card; photos where it has none."""
    return "toybox" if _card(entry).get("world") == "toybox" else "photos"


def plans_photos(entry: Entry) -> bool:
    """Whether a planner plans sessions of photos, by its card: it has seen such, or has learnt to do without."""
    return world_of(entry) == "photos" or _card(entry).get("photos") is True


def _card(entry: Entry) -> Json:
    card = entry.files.get(f"{PLANNER}/{CARD}")
    said: Json = json.loads(Path(card.source).read_bytes()) if card is not None else {}
    return said


def _runs(entry: Entry, backend: Backend) -> bool:
    """Whether a back end has what it loads. A GGUF file alone is llama.cpp's, whichever was asked for."""
    gguf, ours = any(place.endswith(GGUF) for place in entry.files), f"{PLANNER}/{CARD}" in entry.files
    if backend == "llama.cpp":
        return gguf
    return not gguf or not ours or f"{PLANNER}/config.json" in entry.files


def _has_projectors(folder: Path) -> bool:
    """Whether a folder is a checkpoint of InstructAny2Pix, whole or not; no other model has these layers."""
    from agent.heads import RELEASED
    from agent.llm import checkpoint

    theirs = tuple(f"model.{name}" for name in RELEASED)
    return any(name.startswith(theirs) for name in checkpoint.names(folder))
