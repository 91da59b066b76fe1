"""The `token_heads` planner: an LLM that reads the whole session as text, slots and embeddings, and writes a plan.

InstructAny2Pix's mechanism (arXiv 2312.06738) over several steps and a history: the prompt is `agent.prompt`'s, the
language `agent.grammar`'s, which picture is meant `agent.pointer`'s. Where the pointer is not sure it asks. Runs
nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import torch

from agent.decoding import Decoded, Reader
from agent.grammar import Grammar, Ref, Written, read
from agent.heads import ROLES
from agent.items import Item, items
from agent.llm import Llm
from agent.llm.prefix import Prefix
from agent.perception import Perception
from agent.plan import PREV, Ask, Candidate, Context, Plan, PlanStep
from agent.pointer import Pick, Pool
from agent.prompt import Prompt, Standing, Template, prompt
from agent.selfcheck import Expected
from sessions.values import Json
from tools import registry
from tools.base import Tool

CONVERSATIONS = 2
"""How many sessions keep their key-value cache."""


@dataclass(frozen=True)
class Pinned:
    """What a checkpoint brings besides weights. `sure`: δ, the least confidence of a pick that is not asked about.

    `like`: the least cosine between what it expects of a tool with weights and a result that is as it should be.
    """

    name: str
    template: Template
    sure: float = 0.0
    like: float | None = None


@dataclass(eq=False)
class TokenHeads:
    """Implements `agent.plan.Planner`. One prompt is read at a time."""

    llm: Llm
    reader: Reader
    grammar: Grammar
    tools: Sequence[Tool]
    perception: Perception
    pinned: Pinned
    _threads: OrderedDict[str, Prefix] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def name(self) -> str:
        return self.pinned.name

    def plan(self, text: str, context: Context) -> Plan:
        """The plan of one message; a question where a reference is not clear."""
        text = _whole(text, context)
        shown = items(context, text)
        page = self._prompt(text, context, shown)
        with self._lock:
            decoded = self._decoded(page, context)
        written = read(self.grammar, decoded.ids)
        return self._told(written, decoded, page)

    def _prompt(self, text: str, context: Context, shown: Sequence[Item]) -> Prompt:
        standing = Standing(context.head, context.branch, text)
        return prompt(self.reader.vocabulary, self.pinned.template, self.tools, shown, standing)

    def _decoded(self, page: Prompt, context: Context) -> Decoded:
        slots = tuple(page.items)
        h = self.perception.embeddings(context.session, list(page.items.values()))
        heads = self.reader.heads
        rows = torch.from_numpy(h).float()
        spliced = {}
        if heads is not None:
            roles = torch.tensor([ROLES.index(item.role) for item in page.items.values()], dtype=torch.long)
            into = heads.spliced(rows, roles).numpy()
            spliced = {position: into[slots.index(slot)] for position, slot in page.spliced.items()}
        thread = self._thread(context)
        states, logits = thread.read(page.ids, spliced, [page.marks[slot] for slot in slots])
        pool = Pool(slots, rows, torch.from_numpy(states).float())
        decoding = self.grammar.start(self._live(page, "picture"), self._live(page, "sound"))
        return self.reader.decode(thread, logits, pool, decoding)

    def _live(self, page: Prompt, kind: str) -> list[int]:
        return [slot for slot, item in page.items.items() if item.kind == kind]

    def _thread(self, context: Context) -> Prefix:
        """The session's own; the one that was longest unused makes room."""
        session = context.session
        if session not in self._threads:
            while len(self._threads) >= CONVERSATIONS:
                self._threads.popitem(last=False)
            self._threads[session] = Prefix(self.llm.open())
        self._threads.move_to_end(session)
        return self._threads[session]

    # From slots to names

    def _told(self, written: Written, decoded: Decoded, page: Prompt) -> Plan:
        if written.chat is not None:
            return Plan(chat=written.chat, planner=self.name)
        if written.ask is not None:
            among = tuple(_candidate(page.items[ref]) for ref in written.candidates if isinstance(ref, int))
            return Plan(ask=Ask(question=written.ask, candidates=among, free=not among), planner=self.name)
        steps = tuple(
            PlanStep(
                tool=step.tool,
                args=step.args,
                base=_name(step.base, page),
                subjects=tuple(_name(ref, page) for ref in step.subjects),
                region={"words": step.where} if step.where is not None else None,
                expected=self._expected(step.tool, decoded, place),
            )
            for place, step in enumerate(written.steps)
        )
        places = _places(written)
        doubt = self._doubt(decoded.picks, places, page)
        chosen = [pick for pick in decoded.picks if pick is not None]
        sure = min((pick.confidence for pick in chosen), default=1.0)
        notes = tuple(_why(place, pick, page) for place, pick in zip(places, decoded.picks, strict=True) if pick)
        return Plan(steps=steps, ask=doubt, planner=self.name, confidence=sure, notes=notes)

    def _expected(self, tool: str, decoded: Decoded, place: int) -> Json | None:
        """What the result of a step with weights should look like, where the planner knows how sure it is of that."""
        if self.pinned.like is None or place >= len(decoded.gen) or not registry.get(tool).weights:
            return None
        encoder = self.perception.encoder
        return Expected.of(decoded.gen[place].numpy(), self.pinned.like, encoder.digest).model_dump()

    def _doubt(self, picks: Sequence[Pick | None], places: Sequence[str], page: Prompt) -> Ask | None:
        """The question for the first reference that two items fit about as well."""
        for place, pick in zip(places, picks, strict=True):
            if pick is not None and pick.other is not None and pick.confidence < self.pinned.sure:
                among = tuple(_candidate(page.items[slot]) for slot in (pick.slot, pick.other))
                return Ask(question="Which one do you mean?", candidates=among, slot=place)
        return None


def _whole(text: str, context: Context) -> str:
    """The message, behind the one that led to an open question where it may be the answer to it."""
    if context.asked is None or context.asked[1].slot is not None:
        return text
    said, ask = context.asked
    return f"{said} {ask.question} {text}"


def _places(written: Written) -> list[str]:
    """Where in the plan's JSON each reference stands, in the order in which they were written."""
    return [
        place
        for i, step in enumerate(written.steps)
        for place in (f"steps.{i}.base", *(f"steps.{i}.subjects.{k}" for k in range(len(step.subjects))))
    ]


def _name(ref: Ref, page: Prompt) -> str:
    return page.items[ref].name if isinstance(ref, int) else PREV


def _called(item: Item) -> str:
    """How people know an item: `#3`, or what it is."""
    return f"#{item.number}" if item.number else {"sound": "the sound"}.get(item.kind, "the attached photo")


def _candidate(item: Item) -> Candidate:
    what: Json = {"revision": item.name} if item.number else {"value": item.name}
    return Candidate(label=f"{_called(item)} {item.done}".strip(), shown=item.kind == "picture", **what)


def _why(place: str, pick: Pick, page: Prompt) -> str:
    """`starts from #3, by what it shows (93 % sure)`"""
    verb = "starts from" if place.endswith(".base") else "uses"
    return f"{verb} {_called(page.items[pick.slot])}, {pick.because} ({pick.confidence:.0%} sure)".replace(", (", " (")
