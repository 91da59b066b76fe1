"""The `token_heads` planner with any instruct model, which has learnt nothing of plans: it is told in its context how.

The prompt holds the rules, the tools, worked examples and the session as text; the plan is decoded under the grammar of
every plan, spelt in the model's own words (`agent.spelling`). References are symbolic: it cannot see. Runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import torch

from agent import chat_template, tokens
from agent.chat_template import Frame
from agent.decoding import Decoded, Reader
from agent.grammar import BUDGET, Grammar, read
from agent.items import items
from agent.llm import Llm
from agent.llm.prefix import Conversations
from agent.plan import Context, Plan
from agent.planners.in_context_prompt import MESSAGE, Page, Pages, opening
from agent.planners.told import Told, whole
from agent.pointer import Pool
from agent.spelling import Spelling, Spelt
from agent.tokens import Vocabulary
from sessions.errors import BadWeights, MissingWeights, TooLarge
from tools import registry
from tools.weights import GGUF

if TYPE_CHECKING:
    from agent.planners.checkpoint import Backend

NAME = "in_context@1"
SURE = 0.4
"""δ: the least p(best) − p(next) of a reference that is not asked about. Nobody has calibrated these models."""
ITEMS = 32
"""So many pictures and sounds of a session are shown."""
HISTORY, LONGEST = 450, 1500
"""Tokens that the session's lines have at least and at most, before they lose their messages."""
LEAST = 700
"""Tokens that a question or a sentence may take, and a few calls."""
LAYERS, ANGLES = "model.layers.", "rotary_emb.inv_freq"
"""What the names of a Llama's tensors begin with; one that is left over, but for these, is another network's."""
_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


@dataclass(eq=False)
class InContext:
    """Implements `agent.plan.Planner`. One prompt is read at a time."""

    name: str
    llm: Llm
    pages: Pages
    grammar: Grammar
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._conversations = Conversations(self.llm)

    def plan(self, text: str, context: Context) -> Plan:
        """The plan of one message; a question where a reference is not clear."""
        text = whole(text, context)
        page = self.pages.page(text, context, items(context, text, ITEMS))
        with self._lock:
            decoded = self._decoded(page, context)
        return Told(page.items, self.name, SURE).plan(read(self.grammar, decoded.ids), decoded.picks)

    def _decoded(self, page: Page, context: Context) -> Decoded:
        decoding = self.grammar.start(page.pictures, page.sounds)
        spelling = Spelling(self.grammar.vocabulary, page.names)
        room = self.llm.context - len(page.ids) - spelling.extra(self.grammar.tools.values())
        if room < LEAST:
            raise TooLarge(f"{self.name} has no room left for a plan of this session.", "Begin a new session.")
        decoding.left = min(decoding.left, room)
        thread = self._conversations.of(context.session)
        _, logits = thread.read(page.ids, {}, ())
        nothing = torch.zeros(len(page.items), 1)
        spelt = Spelt(thread, spelling, decoding)
        reader = Reader(self.grammar.vocabulary, None, "symbolic")
        return reader.decode(spelt, spelt.logits(logits), Pool(tuple(page.items), nothing, nothing), decoding)


def load(folder: Path, name: str, backend: Backend = "torch") -> InContext:
    """The planner of a model's folder of the Hub's layout, or with a GGUF file in it, which only llama.cpp runs.

    MissingWeights where the back end's weights are not there; BadWeights, in a sentence, for another kind of model or
    tokenizer, and for a context in which no tool's call has room.
    """
    gguf = sorted(folder.glob(f"*{GGUF}"))
    if backend == "llama.cpp" or (gguf and not (folder / "config.json").exists()):
        llm, words, frame = _of_gguf(gguf, name)
    else:
        llm, words, frame = _of_folder(folder, name)
    return planner(name, llm, words, frame)


def planner(name: str, llm: Llm, words: Vocabulary, frame: Frame) -> InContext:
    """The planner that a loaded model is, with as many of the tools as its context has room for."""
    lent, tools = tokens.lent(words), tuple(registry.registered().values())
    begun, closing = chat_template.begun(words, frame.before), chat_template.ids(words, frame.after)
    spare = llm.context - len(closing) - MESSAGE - Spelling(lent, {0: "#9999"}).extra(tools)
    budget = min(BUDGET, spare - HISTORY - len(opening(lent, begun, tools)))
    grammar = Grammar(lent, tools, max(budget, LEAST))
    if budget < LEAST or not grammar.tools:
        raise BadWeights(f"{name} reads {llm.context} tokens at once, and a plan takes more.", "Choose another model.")
    begun = opening(lent, begun, tuple(grammar.tools.values()))
    history = min(LONGEST, spare - budget - len(begun))
    return InContext(f"{NAME}:{name}", llm, Pages(lent, begun, closing, history), grammar)


def _of_gguf(files: Sequence[Path], name: str) -> tuple[Llm, Vocabulary, Frame]:
    """Of the parts of a model in several files llama.cpp wants the first."""
    if not files:
        raise MissingWeights(f"{name} has no GGUF file, which llama.cpp needs.", "PENTIMENTO_PLANNER=token_heads")
    if len(files) > 1 and not all(_PART.search(file.name) for file in files):
        raise BadWeights(f"{name} has {len(files)} GGUF files.", "Add one of them.")
    from agent.llm import llama_cpp, llama_words

    llm = llama_cpp.load(files[0])
    return llm, llama_words.vocabulary(llm), llama_words.frame(llm)


def _of_folder(folder: Path, name: str) -> tuple[Llm, Vocabulary, Frame]:
    from agent.llm import torch_llama

    llm = torch_llama.load(folder)
    foreign = [tensor for tensor in llm.ignored if tensor.startswith(LAYERS) and not tensor.endswith(ANGLES)]
    if foreign:
        raise BadWeights(f"{name} is no Llama: it has {foreign[0]}.", "As a GGUF file, llama.cpp may know it.")
    return llm, tokens.vocabulary(folder, llm.vocabulary, ()), chat_template.of_folder(folder)
