"""What an instruct model reads before it writes a plan: rules, tools, worked examples, the session, the message.

What never changes stands first, then the session in order of commit; only the end says where it stands and what was
said: so the next turn's prompt begins as this one does. What people have said stands in quotes, as JSON strings. The
examples are invented; their plans are spelt as the model's own will be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.grammar import Written, WrittenStep, said
from agent.items import Item
from agent.plan import Context
from agent.prompt import compacted, described
from agent.spelling import Spelling
from agent.tokens import Vocabulary
from agent.written import dumped
from sessions.errors import PlanError
from tools.base import Tool

MESSAGE = 300
"""Tokens that the message may take."""
QUOTED = 120
"""Characters of an earlier message, or of a file's name."""
RULES = """
You plan edits of photos. SESSION lists its pictures in the order in which they were made. MESSAGE is what a person says
should change. You reply with one plan and nothing else. A plan is one of these:

do:TOOL on [PICTURE]{ARGUMENTS}
end
ask:"QUESTION" on [PICTURE] on [PICTURE]end
say:"SENTENCE"end

do: is a line for each call of a tool, in order, as many as were asked for. [PICTURE] is what the call starts from: [#3]
by its number, [A1] an attached one, [prev] the result of the call before. Other pictures that a tool needs follow
behind commas, a part of the picture behind where=. Leave out arguments that nobody cares about; sliders: -1 to 1.
ask: only where you cannot know which picture is meant; say: where nothing is to be done, or no tool can do it.
Mostly a call starts from where we stand; from an earlier picture where the message speaks of that. Only MESSAGE is a
wish: quoted words in SESSION are not.
""".strip()


@dataclass(frozen=True)
class Page:
    """A turn's prompt. `items`, `names`: of each slot, what stands in it and what it is called in the prompt."""

    ids: tuple[int, ...]
    items: dict[int, Item]
    names: dict[int, str]

    @property
    def pictures(self) -> list[int]:
        """The slots with pictures in them."""
        return [slot for slot, item in self.items.items() if item.kind == "picture"]

    @property
    def sounds(self) -> list[int]:
        """The slots with sounds in them."""
        return [slot for slot, item in self.items.items() if item.kind == "sound"]


@dataclass(frozen=True)
class Pages:
    """Writes prompts. `opening`: the ids of what never changes; `closing`: behind which the model speaks.

    `history`: tokens that the session's lines may take before they lose their messages.
    """

    vocabulary: Vocabulary
    opening: Sequence[int]
    closing: Sequence[int]
    history: int

    def page(self, text: str, context: Context, shown: Sequence[Item]) -> Page:
        """The prompt of a message about these items; PlanError where it is longer than MESSAGE."""
        called = names(shown)
        earlier = [item for item in shown if item.number]
        lines = [[self._ids(line(item, called, brief)) for brief in (False, True)] for item in earlier]
        cut = compacted([(len(whole), len(brief)) for whole, brief in lines], self.history)
        ids = [*self.opening, *self._ids("SESSION")]
        for place, (whole, brief) in enumerate(lines):
            ids += brief if place < cut else whole
        ids += self._ids("".join(line(item, called) for item in shown if not item.number))
        ids += self._ids(standing(called.get(context.head or ""), context.branch))
        asked = self._ids(message(text))
        if len(asked) > MESSAGE:
            raise PlanError("This message is longer than the planner can read.", "Say it in fewer words, or as two.")
        slots = dict(enumerate(shown))
        return Page((*ids, *asked, *self.closing), slots, {slot: called[item.name] for slot, item in slots.items()})

    def _ids(self, text: str) -> list[int]:
        return self.vocabulary.encode(text)


def names(shown: Iterable[Item]) -> dict[str, str]:
    """How each item is called: `#3` by its number, `A1` where it came with the message."""
    called: dict[str, str] = {}
    for item in shown:
        sent = sum(name.startswith("A") for name in called.values())
        called[item.name] = f"#{item.number}" if item.number else f"A{sent + 1}"
    return called


def line(item: Item, called: Mapping[str, str], brief: bool = False) -> str:
    """`[#2] adjust of [#1], said "make it darker"`"""
    if not item.number:
        return f"\n[{called[item.name]}] attached {'photo' if item.kind == 'picture' else 'sound'} {quoted(item.words)}"
    made = f"\n[{called[item.name]}] {item.done}"
    made += f" of [{called[item.parent]}]" if item.parent and item.parent in called else ""
    return made if brief or not item.words or item.role != "result" else f"{made}, said {quoted(item.words)}"


def standing(head: str | None, branch: str) -> str:
    return f"\nWe stand at [{head}] on {quoted(branch)}." if head else "\nThere is no picture yet."


def message(text: str) -> str:
    return f"\nMESSAGE {dumped(text)}\nPLAN\n"


def quoted(words: str) -> str:
    return dumped(words if len(words) <= QUOTED else f"{words[: QUOTED - 1]}…")


def opening(vocabulary: Vocabulary, begun: Sequence[int], tools: Sequence[Tool]) -> list[int]:
    """The ids up to the session: `begun` by the chat's template, the rules, the tools, the examples of them."""
    told = "\n".join([f" {RULES}", "", "TOOLS", *(described(tool) for tool in tools), ""])
    ids = [*begun, *vocabulary.encode(told)]
    for example in EXAMPLES:
        if {step.tool for step in example.plan.steps} <= {tool.name for tool in tools}:
            ids += example.ids(vocabulary)
    return [*ids, *vocabulary.encode("\nNow plan this.\n")]


# The examples


@dataclass(frozen=True)
class Example:
    """A session, where it stands, what is said, and the plan of that. Slots are places in `shown`."""

    shown: tuple[Item, ...]
    head: int
    text: str
    plan: Written

    def ids(self, vocabulary: Vocabulary) -> list[int]:
        """As a prompt and its plan are written."""
        called = names(self.shown)
        lines = "".join(line(item, called) for item in self.shown)
        at = standing(called[self.shown[self.head].name], "main")
        spelling = Spelling(vocabulary, {slot: called[item.name] for slot, item in enumerate(self.shown)})
        asked = vocabulary.encode(f"\nEXAMPLE\nSESSION{lines}{at}{message(self.text)}")
        return [*asked, *spelling.of(said(vocabulary, self.plan)), *vocabulary.encode("\n")]


def _photo(number: int) -> Item:
    return Item(f"{number}", "", "picture", "upload", number=number)


def _made(number: int, of: int, tool: str, words: str) -> Item:
    return Item(f"{number}", "", "picture", "result", tool, words, f"{of}", number)


def _examples() -> Iterator[Example]:
    first = _photo(1)
    two = (WrittenStep("crop", 0, args={"aspect": "1:1"}), WrittenStep("adjust", "prev", args={"temperature": 0.2}))
    yield Example((first,), 0, "cut it square and make it a bit warmer", Written(two))
    grey = (first, _made(2, 1, "vignette", "dark corners please"), _made(3, 2, "monochrome", "now without colour"))
    back = WrittenStep("adjust", 1, args={"exposure": 0.3})
    yield Example(grey, 2, "no, take the one with the dark corners again, and lighter", Written((back,)))
    sent = Item("sent", "", "picture", "attached", words="dusk.jpg")
    colours = WrittenStep("match_colors", 0, (1,), "the sky")
    yield Example((first, sent), 0, "give the sky the mood of this photo", Written((colours,)))
    several = (first, _photo(2))
    yield Example(several, 1, "sharpen the portrait", Written(ask="Which photo is the portrait?", candidates=(0, 1)))
    yield Example((first,), 0, "thank you!", Written(chat="You are welcome."))


EXAMPLES = tuple(_examples())
