"""The trained planner on dialogues it has never seen: which picture, which tool, which plan; and what each part is for.

    python -m benchmarks.dialogues [--count 400] [--json]

Beside it what costs nothing: always the head, always the first picture, chance. Then the planner with a part taken
away: cosine alone (as published), pictures and sounds unseen (h := 0), and sounds exchanged. `shaping`: as many
dialogues of their own, in which a sound or another picture shapes a picture; `four steps`: likewise, longer than any
that is learnt from; `photos`: likewise, about photos, which it is not shown, and `photos by ...` of them only those of
one kind. `by ...`: only the dialogues of one kind.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path

import torch
from torch import Tensor

from agent import heads
from agent.grammar import Grammar
from agent.llm import torch_llama
from agent.planners.checkpoint import HEADS
from agent.pointer import Mode
from agent.tokens import vocabulary
from benchmarks import any2pix
from tools.registry import registered
from tools.shelf import PLANNER, STARTER
from toybox.dialogues import Dialogue, four, shaping
from toybox.executing import executed
from toybox.photographed import photographed
from training.examining import Answer, Candidate, answer
from training.lessons import Lesson, looked_at
from training.packs import encoder

Figures = dict[str, float]
EXAMINED = 2_000_000
"""The number from which on dialogues are neither learnt nor calibrated on."""


def share(hits: Sequence[bool]) -> float:
    """The mean; NaN of nothing."""
    return sum(hits) / len(hits) if hits else float("nan")


def hits(answers: Sequence[Answer]) -> dict[str, list[bool]]:
    """What is right and what is not, of those where it can be: base@1, sub@1 and the plan's parts. A step that is
    missing is wrong."""
    changed = [a for a in answers if a.truth.steps]
    return {
        "base": [_base(a) for a in changed],
        "base_history": [_base(a) for a in changed if a.lesson.dialogue.kind == "history"],
        "sub": [
            said is not None and said.subjects == true.subjects
            for a in changed
            for said, true in zip_longest(a.written.steps[: len(a.truth.steps)], a.truth.steps)
            if true.subjects
        ],
        "tools": [a.tools for a in changed],
        "plan": [a.written == a.truth for a in answers],
        "executed": [ended(a) for a in answers],
        "plan_single": [a.written == a.truth for a in answers if len(a.truth.steps) == 1],
        "plan_steps": [a.written == a.truth for a in answers if len(a.truth.steps) > 1],
        "asks": [a.written.ask is not None for a in answers if a.truth.ask is not None],
        "asks_needlessly": [a.written.ask is not None for a in answers if a.truth.ask is None],
    }


def figures(answers: Sequence[Answer]) -> Figures:
    """The shares of `hits`."""
    return {name: share(found) for name, found in hits(answers).items()}


def ended(a: Answer) -> bool:
    """Whether an answer ends in the picture that was meant."""
    return executed(a.written, a.lesson.dialogue)


def _base(a: Answer) -> bool:
    return bool(a.written.steps and a.truth.steps) and a.written.steps[0].base == a.truth.steps[0].base


def kinds(one: Dialogue) -> list[str]:
    """What a dialogue is examined as: how long its plan is, how it names a picture, whether something sounds."""
    found = [f"kind {one.kind}"]
    if one.written.steps:
        found.append(f"steps {len(one.written.steps)}")
    if one.kind == "history" or one.reference == "attached":
        found.append(f"by {one.reference}")
    return [*found, "with sounds"] if any(item.kind == "sound" for item in one.items) else found


def by_kind(answers: Sequence[Answer]) -> dict[str, Figures]:
    """How many there are of each kind, and how many of them start, and end, in the picture that is meant."""
    of: dict[str, list[Answer]] = {}
    for one in answers:
        for name in kinds(one.lesson.dialogue):
            of.setdefault(name, []).append(one)
    return {
        name: {
            "count": float(len(some)),
            "base": share([_base(a) for a in some if a.truth.steps]),
            "executed": share([ended(a) for a in some]),
        }
        for name, some in sorted(of.items())
    }


def baselines(lessons: Sequence[Lesson]) -> dict[str, float]:
    """base@1 on history items, of those who look at nothing."""
    asked = [one.dialogue for one in lessons if one.dialogue.kind == "history" and one.dialogue.written.steps]

    def always(choice: Callable[[Dialogue], int]) -> float:
        return share([choice(d) == d.written.steps[0].base for d in asked])

    pictures = [[i for i, item in enumerate(d.items) if item.kind == "picture"] for d in asked]
    return {
        "always_head": always(lambda d: d.head),
        "always_first": always(lambda d: 0),
        "always_latest": always(lambda d: max(i for i in range(len(d.items)) if i not in d.attachments)),
        "chance": sum(1 / len(one) for one in pictures) / len(pictures),
    }


def blind(one: Lesson) -> Tensor:
    """Nothing seen, nothing heard."""
    return torch.zeros_like(one.seen)


def unheard(one: Lesson) -> Tensor:
    """Every picture seen, and no sound heard."""
    sounds = torch.tensor([item.kind == "sound" for item in one.dialogue.items])
    return one.seen.masked_fill(sounds[:, None], 0.0)


def exchanged(lessons: Sequence[Lesson]) -> Callable[[Lesson], Tensor]:
    """Every sound another's of another name; each is heard once. ValueError where one name is more than half."""
    sounding = [(one, i) for one in lessons for i, item in enumerate(one.dialogue.items) if item.kind == "sound"]
    order = any2pix.exchanged([str(one.dialogue.items[place].sound) for one, place in sounding])
    instead = {at: sounding[other] for at, other in zip(sounding, order, strict=True)}

    def other(one: Lesson) -> Tensor:
        seen = one.seen.clone()
        for place, item in enumerate(one.dialogue.items):
            if item.kind == "sound":
                lesson, there = instead[one, place]
                seen[place] = lesson.seen[there]
        return seen

    return other


def examine(who: Candidate, lessons: Sequence[Lesson]) -> dict[str, Figures]:
    """All figures, of the planner whole and in parts."""

    def of(mode: Mode = "fused", seen: Callable[[Lesson], Tensor | None] = lambda one: None) -> Figures:
        them = Candidate(who.llm, who.heads, who.grammar, mode)
        return figures([answer(them, one, seen(one)) for one in lessons])

    whole = [answer(who, one) for one in lessons]
    sounding = [one for one in lessons if any(item.kind == "sound" for item in one.dialogue.items)]
    others = exchanged(sounding)
    return {
        "planner": figures(whole),
        **by_kind(whole),
        "baselines": baselines(lessons),
        "cosine": of("cosine"),
        "blind": of(seen=blind),
        "sounds": figures([answer(who, one) for one in sounding]),
        "sounds_unheard": figures([answer(who, one, blind(one)) for one in sounding]),
        "sounds_exchanged": figures([answer(who, one, others(one)) for one in sounding]),
    }


def shown(found: dict[str, Figures]) -> str:
    """A table, one line per planner."""
    lines = []
    for name, row in found.items():
        lines.append(f"{name:18}" + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
    return "\n".join(lines)


def candidate(folder: Path) -> Candidate:
    """The planner of a folder."""
    llm = torch_llama.load(folder, torch.device("cpu"), torch.float32)
    words = vocabulary(folder, llm.vocabulary)
    grammar = Grammar(words, tuple(registered().values()))
    return Candidate(llm, heads.load(folder / HEADS, llm.width), grammar)


def of_photos(answers: Sequence[Answer]) -> dict[str, Figures]:
    """The figures of dialogues about photos, all together and by kind."""
    return {"photos": figures(answers)} | {f"photos {name}": row for name, row in by_kind(answers).items()}


def starter(count: int) -> dict[str, Figures]:
    """The figures of the starter's planner on so many new dialogues."""
    lessons = looked_at(encoder(), range(EXAMINED, EXAMINED + count))
    return examine(candidate(STARTER.parent / PLANNER), lessons)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dialogues", description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--planner", type=Path, default=STARTER.parent / PLANNER, help="by default the starter's")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    who, eyes = candidate(args.planner), encoder()
    found = {}
    for name, first, held_out in (("new", EXAMINED, False), ("held_out", 0, True)):
        numbers = range(first, first + args.count)
        found[name] = examine(who, looked_at(eyes, numbers, held_out))
        shaped = looked_at(eyes, numbers, held_out, shaping)
        found[name]["shaping"] = figures([answer(who, one) for one in shaped])
        longer = looked_at(eyes, numbers, held_out, four)
        found[name]["four steps"] = figures([answer(who, one) for one in longer])
        found[name] |= of_photos([answer(who, one) for one in looked_at(eyes, numbers, held_out, photographed)])
    print(json.dumps(found) if args.json else "\n\n".join(f"{name}\n{shown(rows)}" for name, rows in found.items()))


if __name__ == "__main__":
    main()
