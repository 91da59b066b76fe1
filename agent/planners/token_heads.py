"""The `token_heads` planner: an LLM that reads the whole session as text, slots and embeddings, and writes a plan.

InstructAny2Pix's mechanism (arXiv 2312.06738) over several steps and a history: the prompt is `agent.prompt`'s, the
language `agent.grammar`'s, which picture is meant `agent.pointer`'s. Where the pointer is not sure it asks. Runs
nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from threading import Lock

import torch

from agent.decoding import Decoded, Reader
from agent.grammar import Grammar, read
from agent.heads import ROLES, Heads
from agent.items import Item, items
from agent.llm import Floats, Llm
from agent.llm.prefix import Conversations
from agent.perception import Perception
from agent.plan import Context, Plan
from agent.planners.told import Told, whole
from agent.pointer import Mode, Pool
from agent.prompt import Prompt, Standing, Template, prompt
from agent.selfcheck import Expected
from agent.tokens import SLOTS
from sessions.errors import OutsideWorld
from sessions.values import Json
from tools import registry
from tools.weights import World

ROOM = 4
"""One part in so many of what an LLM reads is left for the plan: with many items, fewer are shown."""

KEPT = 1024
"""How many items' rows are kept."""


@dataclass(frozen=True)
class Pinned:
    """What a checkpoint brings besides weights. `mode`: of the pointer. `sure`: δ, the least confidence of a pick that
    is not asked about.

    `like`: the least cosine between what it expects of a tool with weights and a result that is as it should be.
    `world`: the only pictures that it has seen. `photos`: whether one that has seen drawn scenes alone has learnt to
    plan sessions of photos all the same, without looking; where not, it would guess, and so refuses.
    """

    name: str
    template: Template
    sure: float = 0.0
    like: float | None = None
    mode: Mode = "fused"
    world: World = "photos"
    photos: bool = False


@dataclass(eq=False)
class TokenHeads:
    """Implements `agent.plan.Planner`. One prompt is read at a time."""

    llm: Llm
    heads: Heads
    grammar: Grammar
    perception: Perception
    pinned: Pinned
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._conversations = Conversations(self.llm)
        self._rows: OrderedDict[tuple[str, str, bool], Floats] = OrderedDict()

    @property
    def name(self) -> str:
        return self.pinned.name

    def plan(self, text: str, context: Context) -> Plan:
        """The plan of one message; a question where a reference is not clear. OutsideWorld where it knows no photos."""
        text = whole(text, context)
        page = self._page(text, context)
        unseen = self._unseen(page, context)
        if unseen and self.pinned.world == "toybox" and not self.pinned.photos:
            raise OutsideWorld(
                "The rules do not understand this, and the small planner behind them knows drawn scenes only.",
                "Say it in other words, or choose a planner for photos: docs/planners.md has them.",
            )
        with self._lock:
            decoded = self._decoded(page, context, unseen)
        written = read(self.grammar, decoded.ids)
        steps = [] if unseen else list(enumerate(written.steps))  # what a photo should look like nobody has taught it
        expected = [self._expected(step.tool, decoded, place) for place, step in steps]
        return Told(page.items, self.name, self.pinned.sure).plan(written, decoded.picks, expected)

    def _unseen(self, page: Prompt, context: Context) -> frozenset[str]:
        """The photos of a session, where the planner or its encoder has seen nothing but drawn scenes: 0 stands for
        them, so that symbol and context alone can point to them."""
        if "toybox" not in (self.pinned.world, self.perception.world):
            return frozenset()
        return self.perception.photos(context, tuple(page.items.values()))

    def _page(self, text: str, context: Context) -> Prompt:
        """The prompt, with as many items as leave room for a plan."""
        most = SLOTS
        while len((page := self._prompt(text, context, most)).ids) > self._longest and most > 1:
            most //= 2
        return page

    def _prompt(self, text: str, context: Context, most: int) -> Prompt:
        standing = Standing(context.head, context.branch, text)
        shown = items(context, text, most)
        tools = tuple(self.grammar.tools.values())
        return prompt(self.grammar.vocabulary, self.pinned.template, tools, shown, standing)

    @property
    def _longest(self) -> int:
        return self.llm.context - self.llm.context // ROOM

    def _decoded(self, page: Prompt, context: Context, unseen: Collection[str]) -> Decoded:
        slots = tuple(page.items)
        h = torch.from_numpy(self.perception.embeddings(context.session, list(page.items.values()), unseen)).float()
        rows = {slot: self._row(item, one) for (slot, item), one in zip(page.items.items(), h, strict=True)}
        spliced = {position: rows[slot] for position, slot in page.spliced.items()}
        thread = self._conversations.of(context.session)
        states, logits = thread.read(page.ids, spliced, [page.marks[slot] for slot in slots])
        pool = Pool(slots, h, torch.from_numpy(states).float())
        decoding = self.grammar.start(page.pictures, page.sounds)
        reader = Reader(self.grammar.vocabulary, self.heads, self.pinned.mode)
        return reader.decode(thread, logits, pool, decoding)

    def _row(self, item: Item, h: torch.Tensor) -> Floats:
        """What stands for an item in the prompt, (H,): computed alone and kept, so that it is the same to the last bit
        whatever is shown beside it, and the prefix with it is not read anew."""
        key = item.content, item.role, bool(h.any())
        if key not in self._rows:
            self._rows[key] = self.heads.spliced(h[None], torch.tensor([ROLES.index(item.role)]))[0].numpy()
            while len(self._rows) > KEPT:
                self._rows.popitem(last=False)
        return self._rows[key]

    def _expected(self, tool: str, decoded: Decoded, place: int) -> Json | None:
        """What the result of a step with weights should look like, where the planner knows how sure it is of that."""
        if self.pinned.like is None or place >= len(decoded.gen) or not registry.get(tool).weights:
            return None
        encoder = self.perception.encoder
        return Expected.of(decoded.gen[place].numpy(), self.pinned.like, encoder.digest).model_dump()
