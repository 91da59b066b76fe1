"""How a session is written for the LLM: Vicuna's v1.1 template, every item shown as an embedding and a slot token.

    SYSTEM USER:
    #1 photo <video><r_0>
    #2 adjust make it darker <r_0><video><r_1>
    at <r_1> on main: MESSAGE ASSISTANT:

Items come in order of commit and only the last line says where the session stands, so the next turn's prompt begins as
this one does and its key-value cache is kept. Past the budget the lines so far lose their messages, all at once:
seldom, and by the same rule in every process. Plans, grammar and embeddings are elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from agent.items import Item
from agent.tokens import SLOTS, VIDEO, Vocabulary
from sessions.errors import PlanError
from tools.base import Tool

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
"""Vicuna v1.1's own, which its weights were trained with."""


@dataclass(frozen=True)
class Template:
    """What surrounds the session. `listed`: tools are described; a planner trained on them needs no description.

    `history`: tokens that the items' lines may take before their messages are left out. `message`: of what was said.
    """

    system: str = SYSTEM
    listed: bool = True
    history: int = 1500
    message: int = 1200


BRIEF = Template(system="", listed=False, history=900, message=400)
"""Of the starter planner: what never changes is learnt and not read."""


@dataclass(frozen=True)
class Prompt:
    """The ids of a turn's prompt. `items`: slot → item.

    `spliced`: position of an item's `<video>` → its slot. `marks`: slot → position of its own token, where it was
    shown. `kept`: how many of the ids the next turn's prompt begins with, unless it is compacted.
    """

    ids: tuple[int, ...]
    items: dict[int, Item]
    spliced: dict[int, int]
    marks: dict[int, int]
    kept: int

    @property
    def pictures(self) -> list[int]:
        """The slots with pictures in them."""
        return [slot for slot, item in self.items.items() if item.kind == "picture"]

    @property
    def sounds(self) -> list[int]:
        """The slots with sounds in them."""
        return [slot for slot, item in self.items.items() if item.kind == "sound"]


@dataclass
class _Page:
    """Ids as they are written, and where items were shown."""

    vocabulary: Vocabulary
    ids: list[int] = field(default_factory=list)
    spliced: dict[int, int] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)

    def say(self, text: str) -> None:
        self.ids += self.vocabulary.encode(text)

    def name(self, slot: int) -> None:
        self.ids.append(self.vocabulary.slot(slot))

    def show(self, slot: int) -> None:
        self.spliced[len(self.ids)] = slot
        self.ids.append(self.vocabulary.ids[VIDEO])
        self.marks[slot] = len(self.ids)
        self.name(slot)

    def line(self, item: Item, slots: dict[str, int], brief: bool = False) -> None:
        """`#2 adjust make it darker <r_0><video><r_1>`

        What it was made from comes after what was said: so its name has read the words, and "the one from before it got
        darker" is found as directly as the one where it did.
        """
        words = f"{item.words} " if item.words and item.role == "result" and not brief else ""
        self.say(f"\n#{item.number} {item.done} {words}" if item.number else f"\n{item.role} ")
        if item.parent in slots:
            self.name(slots[item.parent])
        self.show(slots[item.name])


@dataclass(frozen=True)
class Standing:
    """The last line: the item that is the head, the branch, and the message."""

    head: str | None
    branch: str
    message: str


def prompt(
    vocabulary: Vocabulary,
    template: Template,
    tools: Sequence[Tool],
    items: Sequence[Item],
    standing: Standing,
    order: Sequence[int] = range(SLOTS),
) -> Prompt:
    """The ids of a turn. `order`: the slot of each item; training permutes it, so that ids carry no meaning.

    PlanError where the message is longer than the template's budget for it.
    """
    slots = {item.name: order[place] for place, item in enumerate(items)}
    page = _Page(vocabulary)
    page.ids += vocabulary.begun(f"{template.system} USER:".strip())
    if template.listed:
        page.ids += _listing(vocabulary, tuple(tools))
    earlier = [item for item in items if item.role not in ("attached", "sound")]
    cut = compacted([_lengths(vocabulary, item, slots) for item in earlier], template.history)
    for place, item in enumerate(earlier):
        page.line(item, slots, brief=place < cut)
    kept = len(page.ids)
    for item in items[len(earlier) :]:
        page.line(item, slots)
    _stand(page, standing, slots, template.message)
    return Prompt(tuple(page.ids), {slots[item.name]: item for item in items}, page.spliced, page.marks, kept)


@lru_cache(maxsize=4)
def _listing(vocabulary: Vocabulary, tools: tuple[Tool, ...]) -> list[int]:
    """The ids of what is told of the tools, the same at every turn."""
    return vocabulary.encode("\n".join(["\nTools:", *(described(tool) for tool in tools)]))


def _lengths(vocabulary: Vocabulary, item: Item, slots: dict[str, int]) -> tuple[int, int]:
    """The tokens of an item's line, with its message and without."""
    both = []
    for brief in (False, True):
        page = _Page(vocabulary)
        page.line(item, slots, brief)
        both.append(len(page.ids))
    return both[0], both[1]


def compacted(lines: Sequence[tuple[int, int]], budget: int) -> int:
    """How many of the first lines are written without their messages.

    Whenever the lines come to more than the limit, all so far are cut, and half a budget is free again: so it holds for
    many turns. What was cut depends on the lines alone: a prompt of the same session begins the same in every process.
    """
    cut, total, limit = 0, 0, budget
    for place, (whole, _) in enumerate(lines):
        total += whole
        if total > limit:
            total -= sum(whole - brief for whole, brief in lines[cut : place + 1])
            cut, limit = place + 1, max(budget, total + budget // 2)
    return cut


def _stand(page: _Page, standing: Standing, slots: dict[str, int], room: int) -> None:
    page.say("\nat ")
    if standing.head in slots:
        page.name(slots[standing.head])
    said = page.vocabulary.encode(f" on {standing.branch}: {standing.message}")
    if len(said) > room:
        raise PlanError("This message is longer than the planner can read.", "Say it in fewer words, or as two.")
    page.ids += said
    page.say(" ASSISTANT:")


def described(tool: Tool) -> str:
    """`blur(amount): Blur the picture. In a region: optional.`"""
    others = "Other pictures or sounds" if tool.hears else "Other pictures"
    needs = {(0, 0): ""}.get(tool.subjects, f" {others}: {_span(*tool.subjects)}.")
    where = {"none": "", "optional": " May name a region.", "required": " Must name a region."}[tool.region]
    return f"{tool.name}({', '.join(_arguments(tool))}): {tool.summary}{needs}{where}"


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"


def _arguments(tool: Tool) -> Iterator[str]:
    """Each argument with what it may be, where that is short."""
    for name, schema in tool.schema().get("properties", {}).items():
        choices = schema.get("enum")
        yield f"{name} {'|'.join(map(str, choices))}" if choices and len(json.dumps(choices)) < 80 else name
