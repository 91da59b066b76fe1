"""A planner examined on lessons: what it decodes, against the truth; and how sure it may be. Trains nothing.

Everything that is counted comes from plans decoded as users' are: prompt, splices, grammar, pointer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agent.decoding import Decoded, Reader
from agent.grammar import Decoding, Grammar, Ref, Written, read
from agent.heads import ROLES, Heads
from agent.llm import Floats, Llm
from agent.llm.prefix import Prefix
from agent.pointer import Mode, Pool, sure_from, temperature
from agent.prompt import BRIEF, Template
from agent.tokens import ASK, SLOTS
from training import planner
from training.dialogue_turns import items, order, page, renamed, taught
from training.lessons import Lesson
from training.planner import Planner
from training.turns import batch


@dataclass(frozen=True, eq=False)
class Candidate:
    """Who is examined."""

    llm: Llm
    heads: Heads
    grammar: Grammar
    mode: Mode = "fused"
    template: Template = BRIEF


@dataclass(frozen=True, eq=False)
class Answer:
    """What was decoded, in places of the dialogue's items instead of slots, and what is true.

    `asking`: how likely it was, before anything was written, that a question comes.
    """

    lesson: Lesson
    written: Written
    decoded: Decoded
    asking: float

    @property
    def truth(self) -> Written:
        return self.lesson.dialogue.written

    @property
    def tools(self) -> bool:
        """Whether it calls the right tools, one after the other."""
        return [step.tool for step in self.written.steps] == [step.tool for step in self.truth.steps]

    def refs(self) -> Iterator[tuple[Ref, Ref]]:
        """(said, meant) for each reference of steps that both have."""
        if self.tools:
            for step, true in zip(self.written.steps, self.truth.steps, strict=True):
                yield step.base, true.base
                yield from zip(step.subjects, true.subjects, strict=False)


@dataclass(frozen=True, eq=False)
class Heard:
    """A message that was read, and nothing written yet: the thread behind its prompt, and what follows it.

    `shown`: the places of the dialogue's items, slot by slot.
    """

    thread: Prefix
    logits: Floats
    pool: Pool
    decoding: Decoding
    shown: list[int]


def heard(who: Candidate, lesson: Lesson, seen: Tensor | None = None) -> Heard:
    """A message read. `seen`: other embeddings than its items' own, (n, D), to see what they are good for."""
    vocabulary, shown = who.grammar.vocabulary, order(lesson.dialogue)
    asked = page(lesson.dialogue, vocabulary, range(SLOTS), who.template, tuple(who.grammar.tools.values()))
    h = (lesson.seen if seen is None else seen)[shown]
    roles = torch.tensor([ROLES.index(item.role) for item in items(lesson.dialogue)])
    with torch.inference_mode():
        into = who.heads.spliced(h, roles).numpy()
        thread = Prefix(who.llm.open())
        spliced = {position: into[slot] for position, slot in asked.spliced.items()}
        states, logits = thread.read(asked.ids, spliced, [asked.marks[slot] for slot in range(len(shown))])
    pool = Pool(tuple(range(len(shown))), h, torch.from_numpy(states))
    return Heard(thread, logits, pool, who.grammar.start(asked.pictures, asked.sounds), shown)


def answer(who: Candidate, lesson: Lesson, seen: Tensor | None = None) -> Answer:
    """One message planned; `seen` as of `heard`."""
    vocabulary, it = who.grammar.vocabulary, heard(who, lesson, seen)
    allowed = np.flatnonzero(it.decoding.mask())
    chances = torch.softmax(torch.from_numpy(it.logits[allowed]).float(), 0)
    asking = float(chances[allowed == vocabulary.ids[ASK]].sum())
    with torch.inference_mode():
        decoded = Reader(vocabulary, who.heads, who.mode).decode(it.thread, it.logits, it.pool, it.decoding)
    written = renamed(read(who.grammar, decoded.ids), dict(enumerate(it.shown)))
    return Answer(lesson, written, decoded, asking)


def picked(answers: Sequence[Answer]) -> tuple[list[float], list[bool]]:
    """The confidence of every pick that a true reference can be held against, and whether it was right."""
    confidences, right = [], []
    for one in answers:
        pairs = list(one.refs())
        for pick, (said, meant) in zip(one.decoded.picks, pairs, strict=False):
            if pick is not None and pick.other is not None:
                confidences.append(pick.confidence)
                right.append(said == meant)
    return confidences, right


def likeness(answers: Sequence[Answer]) -> list[float]:
    """cos(expected, true result) of every step whose result the world knows, where the tools were right."""
    return [
        float(torch.nn.functional.cosine_similarity(e, h, dim=0))
        for one in answers
        if one.tools
        for e, h in zip(one.decoded.gen, one.lesson.results, strict=True)
        if not h.isnan().any()
    ]


def pointed(net: Planner, who: Candidate, lesson: Lesson) -> Iterator[tuple[Tensor, int]]:
    """At each reference of the true plan: the scores of the items, (n,), and which one is meant."""
    turn = taught(lesson, who.grammar.vocabulary, range(SLOTS), who.template, tuple(who.grammar.tools.values()))
    if turn.refs:
        one = batch([turn]).to(next(net.parameters()).device)
        with torch.inference_mode():
            found = planner.scores(net, one, planner.states(net, one))
        yield from zip(found, one.refs[:, 2].tolist(), strict=True)


def calibrated(net: Planner, who: Candidate, unseen: Sequence[Lesson]) -> tuple[float, float | None]:
    """On lessons it has not learnt from: sets the temperature of its heads; then δ, and the cosine that 95 of 100 true
    results are above, None where it has called no tool rightly."""
    scores, meant = zip(*(one for lesson in unseen for one in pointed(net, who, lesson)), strict=True)
    who.heads.temperature.fill_(temperature(scores, meant))
    answers = [answer(who, one) for one in unseen]
    like = likeness(answers)
    return sure_from(*picked(answers)), float(np.quantile(like, 0.05)) if like else None
