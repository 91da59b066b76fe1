"""An existing LLM becomes a planner: stages 1, 2 and 5, one after the other in one folder, each as long as one likes.

    python -m training.planner_stages --llm FOLDER --data toybox --stage 1 --budget MINUTES --out DIR
    python -m training.planner_stages --llm FOLDER --data mm-inst:FOLDER --stage 5 --lora 64 --budget MINUTES --out DIR

A stage begins with what the folder's earlier ones have come to, and goes on where it was stopped. After stage 5
DIR/planner is what `pentimento models add DIR/planner --as planner` takes, LoRA folded in. On CUDA it also says what a
step has cost, beside what `full_size` plans.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import LlamaForCausalLM

from agent import heads
from agent.grammar import compiled
from agent.heads import Heads
from agent.llm import torch_llama
from agent.llm.torch_llama import TorchLlama
from agent.planners.checkpoint import HEADS, TEMPLATES, Card
from agent.settings import Settings
from agent.tokens import Vocabulary, vocabulary
from sessions.errors import BadWeights, NotFound
from tools import encoders, registry, shelf
from tools.weights import Entry, sha256
from training import courses, full_size, lessons, planner_tokens
from training.courses import Course
from training.examining import Candidate, calibrated
from training.loop import Trainer, averages, claimed, in_words, logged
from training.mm_inst import WIDTH
from training.mm_inst_turns import Writing
from training.planner import Planner, recipe
from training.stages import Stage, learning, merged, placed, whole
from training.starter_planner import UNSEEN, export

if TYPE_CHECKING:
    from tools.encoders import Encoder

log = logging.getLogger("training")
TOYBOX, MM_INST = "toybox", "mm-inst"
RATES: dict[Stage, float] = {1: 1e-3, 2: 1e-3, 5: 2e-5}
"""Of projectors alone, as LLaVA aligns its own; of the whole LLM, as InstructAny2Pix's script has it."""
LORA_RATE = 2e-4
SEED = 11
CALIBRATING = 100
"""Dialogues that were not learnt, on which it is found out how sure it must be."""


@dataclass(frozen=True)
class Task:
    """What is asked for.

    `data`: "toybox", of so many `lessons`, or "mm-inst:FOLDER", whose instructions `tool` follows. `encoder`: its name
    on the shelf. `lora`: its rank, 0 for none. `steps`, of `size` turns each; `rate` 0: the stage's own.
    """

    llm: Path
    data: str
    stage: Stage
    out: Path
    lora: int = 0
    encoder: str = ""
    tool: str = "instruct_pix2pix"
    template: str = "brief"
    lessons: int = 4000
    steps: int = 3000
    size: int = 4
    rate: float = 0.0

    @property
    def name(self) -> str:
        """Of the stage's checkpoint."""
        return f"stage_{self.stage}"

    @property
    def pace(self) -> float:
        """The rate of learning."""
        return self.rate or (LORA_RATE if self.lora else RATES[self.stage])

    def claim(self) -> None:
        """BadWeights where the folder was begun as something else, or the stage in another way."""
        where = {"data": self.data, "encoder": self.encoder, "tool": self.tool, "template": self.template}
        claimed(self.out, "planner_stages", {"llm": digest(self.llm), "lessons": self.lessons, **where})
        own = {"lora": self.lora, "steps": self.steps, "size": self.size, "rate": self.pace}
        claimed(self.out, self.name, own)


def digest(llm: Path) -> str:
    """Of all that an LLM's folder holds; NotFound where there is none."""
    kinds = (".json", ".safetensors", ".bin", ".model")
    files = [path for path in sorted(llm.glob("*")) if path.suffix in kinds]
    if not files:
        raise NotFound(f"There is no language model in {llm}.", "A folder as the Hub has them is meant.")
    return hashlib.sha256("".join(sha256(path) for path in files).encode()).hexdigest()


def run(task: Task, deadline: float, clock: Callable[[], float] = time.monotonic) -> Path | None:
    """Train until the clock passes the deadline or the stage is done. After stage 5: the planner's folder."""
    task.claim()
    entry = _entry(task)
    eyes = shelf.at(Settings().home).encoder(entry.digest) if entry and task.data == TOYBOX else None
    net, words = network(task, eyes.width if eyes else WIDTH)
    writing = Writing(words, TEMPLATES[task.template], tuple(registry.registered().values()))
    course = _course(task, writing, eyes, deadline)
    placed(net, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    taught = recipe(net, lambda step: course.batch(step, task.size, SEED), task.steps, task.name, task.pace)
    trainer = Trainer(taught, task.out)
    before, began = trainer.step, time.monotonic()
    trainer.run(deadline, clock)
    _report(task, net, course, trainer.step - before, time.monotonic() - began)
    trainer.settle()
    return _finished(task, net, writing, eyes, entry) if task.stage == 5 else None


def _entry(task: Task) -> Entry | None:
    """The encoder that is named; the starter's for the toybox; none for MM-Inst, whose vectors were made elsewhere."""
    for one in shelf.at(Settings().home).entries():
        wanted = one.name == task.encoder if task.encoder else one.pack == shelf.LAST and task.data == TOYBOX
        if one.role == encoders.ROLE and wanted:
            return one
    if task.encoder or task.data == TOYBOX:
        raise NotFound(f"There is no encoder called {task.encoder or 'starter'}.", "pentimento models list")
    return None


def network(task: Task, space: int) -> tuple[Planner, Vocabulary]:
    """The LLM with the plan's tokens and heads, as earlier stages have left it, and its words; only this stage learns.

    BadWeights where the heads that the LLM's folder brings are for embeddings of another size than `space`.
    """
    torch.manual_seed(SEED)
    llm, words = _worded(task)
    width, brought = llm.config.hidden_size, task.llm / HEADS
    beside = heads.load(brought, width) if brought.exists() else Heads(width, space)
    if beside.space != space:
        raise BadWeights(f"{brought} is for embeddings of {beside.space} numbers, and these have {space}.")
    net = Planner(llm, beside)
    for earlier in (1, 2):
        path = task.out / f"stage_{earlier}.safetensors"
        if earlier < task.stage and path.exists():
            log.info("begins with stage %d", earlier)
            net.load_state_dict(averages(path), strict=False)
    return learning(net, task.stage, task.lora), words


def _worded(task: Task) -> tuple[LlamaForCausalLM, Vocabulary]:
    """The LLM and its tokenizer, each with the plan's tokens."""
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    llm = torch_llama.load(task.llm, torch.device("cpu"), dtype).network
    tokenizer = vocabulary(task.llm, specials=()).tokenizer
    if tokenizer is None:
        raise BadWeights(f"{task.llm} has no tokenizer of its own.", "tokenizer.json or tokenizer.model is meant.")
    known = planner_tokens.rows(tokenizer)
    planner_tokens.added(tokenizer).save(str(task.out / "tokenizer.json"))
    planner_tokens.grown(llm, known, planner_tokens.rows(tokenizer), SEED)
    return llm, vocabulary(task.out, llm.config.vocab_size)


def _course(task: Task, writing: Writing, eyes: Encoder | None, deadline: float) -> Course:
    """What the stage is taught from; NotFound where nothing can be made of it, or not all of it is there yet."""
    kind, _, folder = task.data.partition(":")
    if eyes is not None:
        lessons.make(task.out, eyes, task.lessons, deadline)
        made = lessons.read(task.out)
        if len(made) < task.lessons:
            raise NotFound(f"{len(made)} of {task.lessons} lessons are made.", "The same command makes the others.")
        course = courses.toybox(task.stage, made, writing, SEED)
    elif kind == MM_INST:
        course = courses.mm_inst(task.stage, courses.collected(Path(folder)), writing, registry.get(task.tool), SEED)
    else:
        raise NotFound(f"There is no data called {task.data}.", f"{TOYBOX} or {MM_INST}:FOLDER")
    left_out = ", ".join(f"{count} because {reason}" for reason, count in course.skipped.items())
    log.info("%d turns; left out: %s", len(course.lengths), left_out or "none")
    if not course.lengths:
        raise NotFound(f"Nothing in {folder} can be learnt: {left_out or 'it is empty'}.")
    return course


def _report(task: Task, net: Planner, course: Course, steps: int, seconds: float) -> None:
    """What was done and what it cost; on CUDA beside the plan."""
    log.info("%s: %d steps, %.2f s each", task.name, steps, seconds / max(1, steps))
    if torch.cuda.is_available():
        tokens = course.batch(0, task.size, SEED).ids.shape[1]
        log.info("measured at most: %.1f GB. Planned for %d tokens:", torch.cuda.max_memory_allocated() / 1e9, tokens)
        log.info("%s", full_size.table([full_size.counted(net, task.name, tokens, task.size)]))


def _finished(task: Task, net: Planner, writing: Writing, eyes: Encoder | None, entry: Entry | None) -> Path:
    """The planner's folder. What the toybox has taught is examined there; MM-Inst has taught one tool."""
    merged(whole(net.eval().requires_grad_(False))).heads.cpu()
    sure, like = (0.0, None) if eyes is None else _calibrated(net, writing, eyes)
    card = Card(
        name=f"{task.llm.resolve().name}-planner",
        template="vicuna" if task.template == "vicuna" else "brief",
        sure=sure,
        like=like,
        encoder=entry.digest if entry else "",
        world="toybox" if eyes else "photos",
        tools=(task.tool,) if eyes is None else (),
    )
    export(net, task.out / "tokenizer.json", task.out / "planner", card)
    return task.out / "planner"


def _calibrated(net: Planner, writing: Writing, eyes: Encoder) -> tuple[float, float | None]:
    """As `examining.calibrated`, on dialogues that were not learnt."""
    grammar = compiled(writing.vocabulary, writing.tools)
    who = Candidate(TorchLlama(net.llm), net.heads, grammar, template=writing.template)
    return calibrated(net, who, lessons.looked_at(eyes, range(UNSEEN, UNSEEN + CALIBRATING)))


def parsed() -> tuple[Task, float]:
    """The command line as a task, and the minutes it may take."""
    parser = argparse.ArgumentParser(prog="python -m training.planner_stages", description=__doc__)
    parser.add_argument("--llm", type=Path, required=True, help="a Llama's folder: weights, config.json, tokenizer")
    parser.add_argument("--data", required=True, help=f"{TOYBOX} or {MM_INST}:FOLDER")
    parser.add_argument("--stage", type=int, required=True, choices=RATES)
    parser.add_argument("--budget", type=float, required=True, help="minutes")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lora", type=int, default=0, help="its rank, for stage 5; 64 as in the paper's script")
    parser.add_argument("--encoder", default="", help="its name on the shelf; the toybox takes the starter's")
    parser.add_argument("--tool", default=Task.tool, help="which tool follows MM-Inst's instructions")
    parser.add_argument("--template", default=Task.template, choices=TEMPLATES)
    for name in ("lessons", "steps", "size"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Task, name))
    parser.add_argument("--rate", type=float, default=Task.rate)
    said = vars(parser.parse_args())
    minutes = said.pop("budget")
    return Task(**said), minutes


@in_words()
def main() -> None:
    task, minutes = parsed()
    logged(task.out)
    made = run(task, time.monotonic() + 60 * minutes)
    if made:
        print(f"pentimento models add {made} --as planner")


if __name__ == "__main__":
    main()
