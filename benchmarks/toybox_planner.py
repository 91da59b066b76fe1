"""The planner in the toybox: which picture, which tool, which plan, and what it would be without its eyes and ears.

Part of `python -m benchmarks.toybox`; dialogues and parts of plans are those of `benchmarks.dialogues`. Beside the
whole planner stand what costs nothing (chance, always the latest, always the original picture, always the head), the
rules, and the planner with a part taken away: `_cosine` (no more than the published retrieval), `_blinded` (nothing
seen, nothing heard), `_shuffled` (every sound another's). Several planners, of several seeds, give means over them.

Without a suffix: dialogues that nobody has learnt from, in learnt words, which `dialogues` numbers apart. `_held_out`:
as many in which a phrase or a pair of shape and colour stands that training never says. `_shaping`: those in which a
sound or another picture shapes one.

* `parse_rate`: replies that are plans, decoded as users' are, under the grammar; `parse_rate_free`: without it;
* `state_…`: plans that end in the picture that was meant (`toybox.executing`), by the number of their steps;
* `ask_auroc`: how well its doubt tells messages that have to be asked about from others. It asks where its reply begins
  with a question, which has a probability p, and where its least confidence c in what it points at is below δ. So doubt
  is the larger of p and 1 − c / 2δ: about one half is where it asks. `_said` has p alone, `_pointer` 1 − c alone;
  `_named`: against those messages alone that name a picture of the session too;
* `base_at_1_of_8`: in sessions of eight pictures or more;
* `sound_blind_drop`: what of `state_sounds` is lost where sounds are not heard, item by item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count as numbers_from
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from agent.decoding import Decoded
from agent.grammar import Written, read
from agent.planners.checkpoint import Card, card
from agent.planners.shelved import CARD
from benchmarks import dialogues
from benchmarks.any2pix import auc
from benchmarks.dialogues import EXAMINED, blind, ended, exchanged, hits, unheard
from benchmarks.measure import middle, seconds
from benchmarks.toybox_rules import ruled
from benchmarks.world import Figures, figure, gain
from sessions.errors import BadArguments, MissingWeights, PlanError
from tools.encoders import Encoder
from tools.shelf import Shelf
from toybox.dialogues import Dialogue, dialogue, four, shaping
from training.examining import Answer, Candidate, answer, heard
from training.lessons import Lesson, embeddings, looked_at

MANY = 8
"""Pictures of a session among which it is hard to find one."""
MORE = 4
"""One part in so many of all dialogues is added of questions, and of sounds, which are rare."""
LONGEST = 400
"""Tokens of a reply without a grammar."""
KEYS = {"tools": "tool_accuracy", "base": "base_at_1", "base_history": "base_at_1_history", "sub": "sub_at_1"}
"""What some of `dialogues.hits` are called here."""
Seen = Callable[[Lesson], Tensor | None]
"""What a planner is shown instead of a lesson's own embeddings; None: those."""


def figures(folders: Sequence[Path], weights: Shelf, count: int) -> Figures:
    """All figures of one planner, or the means of several, on so many dialogues that none has seen. BadArguments where
    they have learnt with different encoders: what is looked at, is looked at by one."""
    if len({asked_of(folder).encoder for folder in folders}) > 1:
        raise BadArguments("These planners have learnt with different encoders.", "Measure them one by one.")
    lessons = Lessons(eyes_of(folders[0], weights), count)
    found = [examined(dialogues.candidate(folder), card(folder).sure, lessons) for folder in folders]
    return together(found) | at_no_cost(lessons.new, lessons.held_out)


def asked_of(folder: Path) -> Card:
    """The card of a planner's folder; MissingWeights where there is no planner, BadWeights where its card is none."""
    if not (folder / CARD).exists():
        raise MissingWeights(f"There is no planner in {folder}.", "pentimento models list")
    return card(folder)


def eyes_of(folder: Path, weights: Shelf) -> Encoder:
    """The encoder by which a planner has learnt what pictures are. MissingWeights where there is no planner, or no such
    encoder."""
    digest = asked_of(folder).encoder
    return weights.encoder(digest)


class Said:
    """Dialogues in learnt words, or held out: as they come; more with questions; some that are longer than any."""

    def __init__(self, eyes: Encoder, count: int, held_out: bool) -> None:
        numbers = range(EXAMINED, EXAMINED + count)
        asking = _numbers(count, lambda one: one.written.ask is not None, held_out)
        self.all = looked_at(eyes, numbers, held_out)
        self.asked = looked_at(eyes, list(islice(asking, more(count))), held_out)
        self.longer = looked_at(eyes, numbers, held_out, four)


class Lessons:
    """What is examined: `new` dialogues in learnt words; `held_out`; those that a sound or a picture shapes; and what
    sounds."""

    def __init__(self, eyes: Encoder, count: int) -> None:
        self.new, self.held_out = Said(eyes, count, False), Said(eyes, count, True)
        self.shaped = looked_at(eyes, range(EXAMINED, EXAMINED + more(count)), numbered=shaping)
        self.sounding = [one for one in (*self.new.all, *self.shaped) if sounds(one.dialogue)]
        self.sounding += looked_at(eyes, list(islice(_numbers(count, sounds), more(count))))


def more(count: int) -> int:
    """How many are added of what is rare."""
    return max(2, count // MORE)


def _numbers(count: int, wanted: Callable[[Dialogue], bool], held_out: bool = False) -> Iterator[int]:
    """The numbers behind the first so many whose dialogues are wanted."""
    return (n for n in numbers_from(EXAMINED + count) if wanted(dialogue(n, held_out)))


def sounds(one: Dialogue) -> bool:
    """Whether something is to be done that is heard."""
    return bool(one.written.steps) and any(item.kind == "sound" for item in one.items)


def examined(who: Candidate, sure: float, lessons: Lessons) -> Figures:
    """The figures of a planner, whole and in parts. `sure`: its δ."""
    cosine = Candidate(who.llm, who.heads, who.grammar, "cosine", who.template)
    return {
        **planned(who, sure, lessons.new, ""),
        **figure("parse_rate_free", [free(who, one) for one in lessons.new.all]),
        **planned(who, sure, lessons.held_out, "_held_out"),
        **told(replies(who, lessons.shaped), "_shaping"),
        **hearing(who, lessons.sounding),
        **ending(cosine, lessons.new, "_cosine"),
        **ending(who, lessons.new, "_blinded", blind),
    }


def planned(who: Candidate, sure: float, said: Said, suffix: str) -> Figures:
    """Of dialogues of one sort: parsing, the parts of plans, where they end, doubt."""
    whole, longer = replies(who, said.all), replies(who, said.longer)
    clear = [one for one in whole if one.truth.ask is None]
    unclear = [*asked(whole), *replies(who, said.asked)]
    return {
        **figure(f"parse_rate{suffix}", [one.written != Written() for one in whole]),
        **told(whole, suffix),
        **over_latest(clear, suffix),
        **figure(f"state_4{suffix}", [ended(one) for one in longer]),
        **doubt(clear, unclear, sure, suffix),
        **doubt([one for one in clear if names(one.lesson.dialogue)], unclear, sure, f"_named{suffix}"),
    }


def over_latest(answers: Sequence[Answer], suffix: str) -> Figures:
    """`base_at_1_history_gain`: how much oftener the picture that is named is found than by taking the latest."""
    history = [one for one in answers if one.truth.steps and one.lesson.dialogue.kind == "history"]
    always = [latest(one.lesson.dialogue) == one.truth.steps[0].base for one in history]
    return gain(f"base_at_1_history_gain{suffix}", hits(history)["base"], always)


def ending(who: Candidate, said: Said, suffix: str, seen: Seen = lambda one: None) -> Figures:
    """The parts of plans and where they end, of a planner with a part taken away."""
    longer = figure(f"state_4{suffix}", [ended(one) for one in replies(who, said.longer, seen)])
    return told(replies(who, said.all, seen), suffix) | longer


def replies(who: Candidate, lessons: Sequence[Lesson], seen: Seen = lambda one: None) -> list[Answer]:
    """A planner's answers; an empty plan where a reply is none."""
    found = []
    for one in lessons:
        try:
            found.append(answer(who, one, seen(one)))
        except PlanError:
            found.append(Answer(one, Written(), Decoded(), 0.0))
    return found


def asked(answers: Sequence[Answer]) -> list[Answer]:
    """Those of messages that have to be asked about."""
    return [one for one in answers if one.truth.ask is not None]


def free(who: Candidate, lesson: Lesson) -> bool:
    """Whether the likeliest tokens, one after the other under no grammar, are a plan."""
    it, ids = heard(who, lesson), list[int]()
    logits = it.logits
    try:
        while len(ids) < LONGEST:
            ids.append(int(logits.argmax()))
            it.decoding.consume(ids[-1])
            if it.decoding.done:
                return bool(read(who.grammar, ids))
            logits = it.thread.feed(ids[-1:], read=(0,)).logits
    except PlanError:
        pass
    return False


def told(answers: Sequence[Answer], suffix: str) -> Figures:
    """Shares of right answers; and of those that end where they should, by the number of steps."""
    found: Figures = {}
    for name, right in hits(answers).items():
        if name != "executed":
            found |= figure(f"{KEYS.get(name, name)}{suffix}", right)
    among = [one for one in answers if one.truth.steps and pictures(one.lesson.dialogue) >= MANY]
    found |= figure(f"base_at_1_of_{MANY}{suffix}", hits(among)["base"])
    for name, steps in (("single", (1,)), ("2_3", (2, 3))):
        found |= figure(f"state_{name}{suffix}", [ended(one) for one in answers if len(one.truth.steps) in steps])
    return found


def names(one: Dialogue) -> bool:
    """Whether a message names a picture of its session, as all that has to be asked about does."""
    return one.reference not in ("head", "attached")


def pictures(one: Dialogue) -> int:
    """How many pictures a plan could begin with."""
    return sum(item.kind == "picture" for item in one.items)


def doubt(clear: Sequence[Answer], unclear: Sequence[Answer], sure: float, suffix: str = "") -> Figures:
    """The AUROC of doubt, of its two parts, and their intervals by bootstrap in both groups; nothing of only one."""
    if not clear or not unclear:
        return {}
    truth = np.array([False] * len(clear) + [True] * len(unclear))
    p = np.array([one.asking for one in (*clear, *unclear)])
    c = np.array([sureness(one) for one in (*clear, *unclear)])
    both = np.maximum(p, 1 - c / (2 * sure)) if sure else p
    found: Figures = {}
    for name, scores in (("", both), ("_said", p), ("_pointer", 1 - c)):
        found[f"ask_auroc{name}{suffix}"] = round(auc(scores, truth), 4)
        found[f"ask_auroc{name}{suffix}_ci"] = auc_interval(scores[~truth], scores[truth])
    return found


def sureness(one: Answer) -> float:
    """The least confidence in what an answer points at; 1 where there was no choice."""
    return min((pick.confidence for pick in one.decoded.picks if pick is not None), default=1.0)


def auc_interval(no: Any, yes: Any, times: int = 1000) -> list[float]:
    """The 95 % interval of an AUROC; scores (n,) and (m,)."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(times):
        some = np.concatenate([rng.choice(no, len(no)), rng.choice(yes, len(yes))])
        drawn.append(auc(some, np.arange(len(some)) >= len(no)))
    return [round(float(v), 4) for v in np.percentile(drawn, (2.5, 97.5))]


def hearing(who: Candidate, lessons: Sequence[Lesson]) -> Figures:
    """How many plans of what is heard end where they should: heard, unheard, and under others' sounds."""
    ways: dict[str, Seen] = {"": lambda one: None, "_unheard": unheard}
    with suppress(ValueError):  # of a handful that all sound alike there is no other
        ways["_shuffled"] = exchanged(lessons)
    right = {way: [ended(one) for one in replies(who, lessons, seen)] for way, seen in ways.items()}
    lost = np.subtract(right[""], right["_unheard"], dtype=float).tolist()
    of_all = [part for way, found in right.items() for part in figure(f"state_sounds{way}", found).items()]
    return {**figure("sound_blind_drop", lost), **dict(of_all)}


def together(found: Sequence[Figures]) -> Figures:
    """The means over several planners; their spread under the same name and `_seeds`. An interval spans all theirs."""
    if len(found) == 1:
        return found[0]
    means: Figures = {}
    for name in found[0]:
        values = [one[name] for one in found if name in one]
        if name.endswith("_ci"):
            means[name] = [min(low for low, _ in values), max(high for _, high in values)]
        else:
            means |= {name: round(float(np.mean(values)), 4), f"{name}_seeds": values}
    return means


# What costs nothing


def at_no_cost(new: Said, held_out: Said) -> Figures:
    """Of those who look at nothing: base@1, over all, where a picture of the session is named and where it has many;
    the usual tools; and the rules."""
    found: Figures = {}
    changed = [one.dialogue for one in new.all if one.dialogue.written.steps]
    history = [one for one in changed if one.kind == "history"]
    many = [one for one in changed if pictures(one) >= MANY]
    for part, some in (("", changed), ("_history", history), (f"_of_{MANY}", many)):
        meant = [one.written.steps[0].base for one in some]
        for name, chosen in CHOICES.items():
            right = [chosen(one) == base for one, base in zip(some, meant, strict=True)]
            found |= figure(f"base_at_1{part}_{name}", right)
        found |= figure(f"base_at_1{part}_random", [1 / pictures(one) for one in some])
    tools = [tuple(step.tool for step in one.written.steps) for one in changed]
    usual = Counter(tools).most_common(1)[0][0] if tools else ()
    found |= figure("tool_accuracy_usual", [one == usual for one in tools])
    for suffix, said in (("", new), ("_held_out", held_out)):
        found |= told([ruled(one) for one in said.all], f"_rules{suffix}")
        found |= figure(f"state_4_rules{suffix}", [ended(ruled(one)) for one in said.longer])
    return found


def latest(one: Dialogue) -> int:
    """The newest picture of the session, before anything was attached."""
    return max(i for i in range(len(one.items)) if i not in one.attachments)


CHOICES: Mapping[str, Callable[[Dialogue], int]] = {
    "head": lambda one: one.head,
    "latest": latest,
    "original": lambda one: 0,
}
"""Which picture is always taken."""


# What it costs


def cost(folder: Path, weights: Shelf, count: int) -> Figures:
    """Median seconds of a plan: the newest picture looked at, the message read from its beginning, the plan written."""
    eyes, who = eyes_of(folder, weights), dialogues.candidate(folder)
    lessons = looked_at(eyes, range(EXAMINED, EXAMINED + count + 1))

    def planned(one: Lesson) -> None:
        embeddings(eyes, [one.dialogue.items[one.dialogue.head]])
        answer(who, one)

    taken = [seconds(lambda one=one: planned(one)) for one in lessons]  # type: ignore[misc]
    median, *between = middle(taken[1:])
    return {"plan_s": median, "plan_s_ci": between}
