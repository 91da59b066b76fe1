"""The starter's planner: its tokenizer, its lessons, its training and its folder. Millions of parameters, not billions.

    python -m training.starter_planner --budget MINUTES [--out DIR] [--pack PACK]

Needs a pack's encoder, by whose embeddings it learns what pictures and sounds are. Goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from agent.grammar import Grammar
from agent.heads import Heads
from agent.llm import gguf
from agent.llm.torch_llama import HEAD, TorchLlama
from agent.planners.checkpoint import GGUF, HEADS, Card
from agent.planners.shelved import CARD
from agent.tokens import SLOTS, Vocabulary, vocabulary
from tools.encoders import Encoder
from tools.registry import registered
from tools.shelf import PLANNER
from tools.weights import write
from toybox.dialogues import Dialogue, dialogue
from toybox.photographed import photographed
from training import courses, lessons, planner_tokens
from training.dialogue_turns import items, taught
from training.examining import Candidate, calibrated
from training.export import register
from training.lessons import Lesson
from training.loop import Recipe, claimed, generator, in_words, learnt, logged
from training.mm_inst_turns import Writing
from training.packs import STARTING, encoder
from training.planner import Planner, recipe, small
from training.turns import Batch, Taught, batch

WIDTH, LAYERS, INNER = 192, 4, 64
STEPS, SIZE, RATE = 24000, 32, 2.5e-3
SHORT_SIZE = 96
"""Turns of a batch of captions, which are short."""
DESCRIBED = 6000
"""Lessons whose pictures and sounds are described and drawn."""
NOISE = 0.02
"""The deviation of what is added to embeddings: a picture that is never the same twice is not learnt by heart."""
EASY = 0.3
"""The share of the lessons that training begins with, by length."""
IN_ORDER = 0.5
"""The share of turns whose slots are in order, as a session's are; the others' are dealt, so that all are learnt."""
TOLD = 2000
"""Dialogues, and as many about photos, whose words the tokenizer is learnt from."""
NAME = "starter@1"
SWAPPED, SHAPED, RESUMED, PHOTOGRAPHED = "swapped", "shaped", "resumed", "photographed"
"""The folders of the lessons in which only what is seen decides, of those that are any2pix's, of those after it, and of
those about photos, which are not looked at and so cost nothing to make."""
EVERYTHING = {
    "": (lessons.chosen, 1),
    SWAPPED: (lessons.swapped, 4),
    SHAPED: (lessons.shaped, 5),
    RESUMED: (lessons.resumed, 10),
    PHOTOGRAPHED: (lessons.photographed, 5),
}
"""The lessons' folders, with where their dialogues come from and what share of `LESSONS` they have."""
TELLING = {"referring": (lessons.referring, 3), "recalled": (lessons.recalled, 5), "several": (lessons.several, 4)}
"""Those of the second part, in which a picture is told of, or sessions begin with several: which one is meant is
looked up among all."""
SOURCES = EVERYTHING | TELLING
FINDING, FINDING_RATE = "finding", 1.5e-3
"""The second part of the training: every other batch is of such. What is looked up is a tenth of what people say, and
is learnt long after all else."""
FOUND = 5 / 6
"""Its steps, in parts of the first part's."""
FLOOR = 60.0
"""Seconds that every call learns for at least: to read the lessons takes longer than many a budget."""
LESSONS, CALIBRATING, UNSEEN = 60000, 200, 1_000_000
"""Dialogues that are learnt; that δ is found on; and the number from which on none is learnt."""
SEED = 3


def words(one: Dialogue) -> Iterator[str]:
    """What a prompt and a plan say, piece by piece as they are put together."""
    for item in items(one):
        yield f"\n#{item.number} {item.done} " if item.number else f"\n{item.role} "
        yield f" {item.words} "
    yield f" on main: {one.message}"
    for step in one.written.steps:
        yield step.tool
        yield (json.dumps(step.where) if step.where else "") + json.dumps(step.args, separators=(",", ":"))
    yield json.dumps(one.written.ask or one.written.chat or "")


def tokenizer(folder: Path) -> Vocabulary:
    """The tokenizer of these prompts and plans, written once."""
    if not (folder / "tokenizer.json").exists():
        frame = ["\nat ", " USER:", " ASSISTANT:"] * TOLD
        told = [one for n in range(TOLD) for one in (dialogue(n), photographed(n))]
        planner_tokens.write([*frame, *(said for one in told for said in words(one))], folder)
    return vocabulary(folder)


class School:
    """Lessons as batches of turns: of about one length, so that little is padding; slots and noise are dealt out anew.

    The shortest come first, all of them from half of the `steps` on, or at once (0): to say what was said is learnt
    where there is little else to look at (Bengio et al., Curriculum Learning, 2009).
    """

    def __init__(self, learnt: Sequence[Lesson], vocabulary: Vocabulary, seed: int, steps: int = 0) -> None:
        self._vocabulary, self._seed, self._steps = vocabulary, seed, steps
        lengths = [sum(len(said) for said in words(lesson.dialogue)) for lesson in learnt]
        self._lessons = [learnt[i] for i in sorted(range(len(learnt)), key=lengths.__getitem__)]

    def turn(self, place: int, step: int) -> Taught:
        """One lesson, its slots in order, or as this step deals them."""
        rng = generator(self._seed, step, place)
        dealt = torch.randperm(SLOTS, generator=rng).tolist()
        slots = range(SLOTS) if torch.rand((), generator=rng) < IN_ORDER else dealt
        lesson = self._lessons[place]
        noisy = lesson.seen + NOISE * torch.randn(lesson.seen.shape, generator=rng)
        seen = F.normalize(noisy, dim=-1) * lesson.seen.any(-1, keepdim=True)  # what is not looked at stays 0
        return taught(replace(lesson, seen=seen), self._vocabulary, slots)

    def batch(self, step: int, size: int = SIZE) -> Batch:
        """Neighbours in length, somewhere among four batches of them."""
        rng = generator(self._seed, step)
        grown = min(1.0, 2 * step / self._steps) if self._steps else 1.0
        known = round(len(self._lessons) * (EASY + (1 - EASY) * grown))
        near = min(4 * size, known)
        first = int(torch.randint(known - near + 1, (1,), generator=rng))
        chosen = torch.randperm(near, generator=rng)[:size].tolist()
        return batch([self.turn(first + place, step) for place in chosen])


def mixed(school: School, learnt: Sequence[Lesson], writing: Writing, seed: int) -> Callable[[int], Batch]:
    """The batch of a step: of eight, six are of dialogues, one describes what is seen and heard, one says what is to be
    drawn (stages 1 and 2). There words and embeddings find each other, so that pictures are looked at."""
    describing, drawing = (courses.toybox(stage, learnt[:DESCRIBED], writing, seed) for stage in (1, 2))

    def drawn(step: int) -> Batch:
        other = {3: describing, 7: drawing}.get(step % 8)
        return school.batch(step) if other is None else other.batch(step, SHORT_SIZE, seed)

    return drawn


def network(vocabulary: Vocabulary, space: int, seed: int) -> Planner:
    """A Llama with new weights, and its heads for embeddings of `space` numbers."""
    torch.manual_seed(seed)
    return Planner(small(vocabulary.size, WIDTH, LAYERS, tied=True), Heads(WIDTH, space, INNER))


def in_a_layer(name: str, weight: Tensor) -> bool:
    """Whether a weight is a matrix inside the LLM's layers: those Muon turns, all else is AdamW's."""
    return ".layers." in name and weight.dim() == 2


def export(net: Planner, tokenizer: Path, where: Path, card: Card) -> None:
    """The planner's folder: LLM and heads in half precision, tokenizer, card."""
    where.mkdir(parents=True, exist_ok=True)
    tied = net.llm.config.tie_word_embeddings
    half: dict[str, Tensor] = {
        name: value.half() for name, value in net.llm.state_dict().items() if not (tied and name == HEAD)
    }
    write(where / "model.safetensors", half)
    net.llm.config.save_pretrained(where)
    write(where / HEADS, {name: value.half() for name, value in net.heads.state_dict().items()})
    (where / "tokenizer.json").write_text(tokenizer.read_text("utf-8"), encoding="utf-8")
    (where / CARD).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")


def install(folder: Path, pack: Path) -> None:
    """Copy a planner's folder into a pack, with the same LLM as a GGUF file beside it, and name it in the register."""
    shutil.copytree(folder, pack / PLANNER, dirs_exist_ok=True)
    gguf.export(pack / PLANNER, pack / PLANNER / GGUF, "F16")
    register(pack, PLANNER, "toybox-planner", {f"{PLANNER}/{path.name}": path for path in (pack / PLANNER).iterdir()})


@dataclass(frozen=True)
class Plan:
    """What is asked of a training: dialogues to learn from (and some more, by `SOURCES`), steps to take, and what the
    weights, the order of the lessons and their noise are drawn from. The lessons are the same for every seed."""

    lessons: int = LESSONS
    steps: int = STEPS
    seed: int = SEED


def looked(out: Path, eyes: Encoder, plan: Plan, deadline: float) -> bool:
    """Make the lessons as far as the time goes, one folder after the other; whether there are all."""
    return all(
        lessons.make(out / folder, eyes, plan.lessons // share, deadline, source)
        for folder, (source, share) in SOURCES.items()
    )


def known(out: Path, sources: Mapping[str, tuple[lessons.Source, int]]) -> list[Lesson]:
    """The lessons that were made of these."""
    return [one for folder, (source, _) in sources.items() for one in lessons.read(out / folder, source)]


def parts(net: Planner, out: Path, words_of: Vocabulary, plan: Plan) -> Iterator[Recipe]:
    """Of the lessons that were made: everything, then again with as much of what is looked up."""
    some = known(out, EVERYTHING)
    school = School(some, words_of, plan.seed + 2, plan.steps)
    everything = mixed(school, some, Writing(words_of), plan.seed + 3)
    yield recipe(net, everything, plan.steps, PLANNER, RATE)
    telling = School(known(out, TELLING), words_of, plan.seed + 4)

    def both(step: int) -> Batch:
        return telling.batch(step) if step % 2 else everything(plan.steps + step // 2)

    yield recipe(net, both, round(FOUND * plan.steps), FINDING, FINDING_RATE)


def schooled(net: Planner, out: Path, words_of: Vocabulary, plan: Plan, deadline: float) -> bool:
    """One part after the other, as far as the time goes; whether both are at their end. The net has then averages."""
    for part in parts(net, out, words_of, plan):
        if not learnt(replace(part, turned=in_a_layer, halved=True), out, deadline):
            return False
    return True


def leave(out: Path, net: Planner, eyes: Encoder) -> None:
    """The folder `out/planner` of what a planner has come to, with the δ that fits it."""
    net.cpu().eval().requires_grad_(False)
    who = Candidate(TorchLlama(net.llm, NAME), net.heads, Grammar(tokenizer(out), tuple(registered().values())))
    sure, like = calibrated(net, who, lessons.looked_at(eyes, range(UNSEEN, UNSEEN + CALIBRATING)))
    card = Card(name=NAME, template="brief", sure=sure, like=like, encoder=eyes.digest, world="toybox")
    export(net, out / "tokenizer.json", out / "planner", card)


def train(
    out: Path, minutes: float, plan: Plan, pack: Path = STARTING, device: str = "cpu", early: bool = True
) -> bool:
    """All lessons, then the planner as far as the time goes, then its folder; True where it is at its end.

    `early`: whether a planner that is not at its end leaves its folder too, which takes a minute or two. Once there are
    all lessons it learns for `FLOOR` seconds, however short the time. BadWeights where the folder has another training.
    """
    deadline = time.monotonic() + 60 * minutes
    eyes = encoder(pack, device)
    claimed(out, PLANNER, {**asdict(plan), "encoder": eyes.digest}, own=(PLANNER, FINDING, Path(lessons.FILE).stem))
    if not looked(out, eyes, plan, deadline):
        return False
    words_of = tokenizer(out)
    net = network(words_of, eyes.width, plan.seed).to(device)
    done = schooled(net, out, words_of, plan, max(deadline, time.monotonic() + FLOOR))
    if done or early:
        leave(out, net, eyes)
    return done


@in_words()
def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.starter_planner", description=__doc__)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, default=Path("build/planner"))
    parser.add_argument("--pack", type=Path, default=STARTING, help="whose encoder it sees and hears with")
    parser.add_argument("--lessons", type=int, default=LESSONS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    logged(args.out)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train(args.out, args.budget, Plan(args.lessons, args.steps, args.seed), args.pack, device)


if __name__ == "__main__":
    main()
