"""The released InstructAny2Pix checkpoints as a planner: their prompt, their reply, their retrieval, clause by clause.

They were trained on one edit a message and on the pictures of that message (arXiv 2312.06738; what differs between
paper and released weights follows the weights): items enter as E(`<video>`) + P_in(h), the reply is

    … <base><video> … <im_gen_start><im_gen> [what is to be seen] <video> additions: name:<video>. … </s>

and is read at the position before each `<video>`. Several edits are one reply for each clause. Runs nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from agent.heads import RELEASED, Heads
from agent.heads import released as projectors
from agent.items import Item, items
from agent.llm import Floats, Llm, checkpoint, torch_llama
from agent.perception import Perception
from agent.plan import MAX_STEPS, PREV, Context, Plan, PlanStep
from agent.planners.rules.segments import clauses
from agent.prompt import SYSTEM
from agent.selfcheck import Expected
from agent.tokens import Vocabulary, vocabulary
from sessions.errors import BadWeights, PlanError
from sessions.values import Json
from sessions.words import cleaned

log = logging.getLogger(__name__)

NAME = "instructany2pix"
VIDEO, BASE, GENERATE = "<video>", "<base>", "<im_gen>"
TOKENS = (
    *("<im_gen_start>", GENERATE, "<mask_gen>", "<audio_gen>", "<audio_gen_start>", "<audio>"),
    *(VIDEO, BASE, "<base_null>"),
)
"""The nine that were added to Vicuna's vocabulary, by name: their numbers differ between conversions."""
LONGEST = 100
"""Tokens of a reply."""
SHORTER = "Say the first of them, and the others after it."
DRAWING, INSTRUCTED = "any2pix", "instruct_pix2pix"
"""What carries out such a step: the decoder that belongs to these planners where it has weights, or another editor."""
_CAPTION = re.compile(r"\[([^\[\]]+)\]")
_ADDED = re.compile(r"(?:additions:|\.)\s*([^:.\[\]]{1,60}):\s*$")
_NUMBER = re.compile(r"#(\d+)\b")


@dataclass(eq=False)
class Reply:
    """What was said, and what was read: `base`, `gen` (D) or None; `subs`: (name, P_out of the state), in order."""

    text: str = ""
    base: Tensor | None = None
    gen: Tensor | None = None
    subs: list[tuple[str, Tensor]] = field(default_factory=list)

    @property
    def caption(self) -> str:
        """What the result shall show."""
        found = _CAPTION.search(self.text)
        return found[1].strip() if found else ""


@dataclass(frozen=True, eq=False)
class Released:
    """Implements `agent.plan.Planner`. `draws`: whether any2pix has weights here."""

    llm: Llm
    heads: Heads
    vocabulary: Vocabulary
    perception: Perception
    draws: Callable[[], bool] = lambda: False
    name: str = NAME

    def plan(self, text: str, context: Context) -> Plan:
        """A step for each clause that asks for an edit; the model's own words where it only talks."""
        asked = clauses(text)
        if len(asked) > MAX_STEPS:
            raise PlanError(f"This message has {len(asked)} parts, and a plan has at most {MAX_STEPS} steps.", SHORTER)
        shown = meant(text, items(context, text), context.head)
        h = torch.from_numpy(self.perception.embeddings(context.session, shown)).float()
        steps: list[PlanStep] = []
        talk = ""
        for clause in asked:
            reply = self.reply(clause, h, [item.number for item in shown])
            if reply.gen is None:
                talk = talk or reply.text
                continue
            steps.append(self._step(clause, reply, shown, h, later=bool(steps)))
        if not steps:
            return Plan(chat=cleaned(talk).strip() or "I have no edit for that.", planner=self.name)
        return Plan(steps=tuple(steps), planner=self.name)

    def prompt(self, clause: str, numbers: Sequence[int]) -> tuple[list[int], list[int]]:
        """The ids of a clause about items with these numbers (0: it has none), and the place of each item.

        An item stands where the clause says its number, and before it where it does not.
        """
        said = self.vocabulary.encode
        ids, places = self.vocabulary.begun(f"{SYSTEM} USER:"), [0] * len(numbers)

        def show(row: int) -> None:
            places[row] = len(ids)
            ids.append(self.vocabulary.ids[VIDEO])

        parts = _NUMBER.split(clause)
        named = {int(number) for number in parts[1::2]} & {*numbers}
        for place, row in enumerate(row for row, number in enumerate(numbers) if number not in named):
            ids += said(" with" if place else " In")
            show(row)
        for place, part in enumerate(parts):
            if place % 2 == 0:
                ids += said(f" {part.strip()}" if part.strip() else "")
            elif int(part) in named:
                show(numbers.index(int(part)))
                named.discard(int(part))
        return [*ids, *said(" ASSISTANT:")], places

    def reply(self, clause: str, h: Tensor, numbers: Sequence[int] = ()) -> Reply:
        """Greedily, to `</s>` or a hundred tokens. h (n, D); `numbers`: of the items, where they have some."""
        ids, places = self.prompt(clause, numbers or [0] * len(h))
        thread, said = self.llm.open(), Reply()
        reading = thread.feed(ids, self.added(h, places), [len(ids) - 1])
        made: list[int] = []
        for _ in range(LONGEST):
            token = int(reading.logits.argmax())
            if token == self.vocabulary.eos:
                break
            self._note(token, made, torch.from_numpy(reading.states[0]), said)
            made.append(token)
            reading = thread.feed([token], read=(0,))
        said.text = self.vocabulary.decode(token for token in made if token not in self.vocabulary.special)
        return said

    def added(self, h: Tensor, places: Sequence[int]) -> dict[int, Floats]:
        """Each item's row: the placeholder's own embedding and, on top of it, P_in(h) at length R."""
        own = self.llm.embeddings([self.vocabulary.ids[VIDEO]])[0]
        rows = self.heads.spliced(h, torch.zeros(len(h), dtype=torch.long)).numpy() if len(h) else ()
        return {place: np.asarray(own + row, np.float32) for place, row in zip(places, rows, strict=True)}

    def _note(self, token: int, made: list[int], state: Tensor, said: Reply) -> None:
        """Read the state before a `<video>`: of the base, of the result, or of something that is added."""
        if token != self.vocabulary.ids[VIDEO]:
            return
        e = self.heads.leave(state)
        if made and made[-1] == self.vocabulary.ids[BASE]:
            said.base = e
        elif self.vocabulary.ids[GENERATE] in made and said.gen is None:
            said.gen = e
        elif said.gen is not None:
            before = self.vocabulary.decode(token for token in made if token not in self.vocabulary.special)
            named = _ADDED.search(before)
            said.subs.append((named[1].strip() if named else "", e))

    def _step(self, clause: str, reply: Reply, shown: Sequence[Item], h: Tensor, later: bool) -> PlanStep:
        base = PREV if later else self._base(reply, shown, h)
        if not self.draws():
            return PlanStep(tool=INSTRUCTED, args={"instruction": clause}, base=base)
        args, subs = {"prompt": reply.caption}, self._subs(reply, shown, h)
        if subs:
            args["subject"] = ", ".join(subject for subject, _ in subs)
        others = tuple(other for _, other in subs)
        return PlanStep(tool=DRAWING, args=args, base=base, subjects=others, expected=self._expected(reply))

    def _subs(self, reply: Reply, shown: Sequence[Item], h: Tensor) -> list[tuple[str, str]]:
        """Each subject as it was said, without commas, and the item it is like: pictures first, as a tool has them."""
        found = [(said.replace(",", " "), nearest(e, shown, h)) for said, e in reply.subs]
        sounds = {item.name for item in shown if item.kind == "sound"}
        return sorted(found, key=lambda sub: sub[1] in sounds)

    def _expected(self, reply: Reply) -> Json | None:
        """What was read out of the result; any likeness to it will do, since nobody has measured which."""
        if reply.gen is None:
            return None
        return Expected.of(reply.gen.numpy(), -1, self.perception.encoder.digest).model_dump()

    def _base(self, reply: Reply, shown: Sequence[Item], h: Tensor) -> str | None:
        """The picture whose embedding is nearest to what was read out; the only one, where there is one."""
        rows = [row for row, item in enumerate(shown) if item.kind == "picture"]
        if reply.base is None or not rows:
            return None
        return nearest(reply.base, [shown[row] for row in rows], h[rows])


def nearest(e: Tensor, shown: Sequence[Item], h: Tensor) -> str:
    """The item whose embedding, of h (n, D), is nearest to what was read out, (D,)."""
    return shown[int(torch.nn.functional.cosine_similarity(e[None], h, dim=-1).argmax())].name


def load(
    folder: Path,
    perception: Perception,
    device: torch.device | None = None,
    draws: Callable[[], bool] = lambda: False,
) -> Released:
    """The planner of a released checkpoint's folder, its tokenizer beside the weights or in `tokenizer/`.

    BadWeights, by name, for a projector, a token or a tensor of the LLM that is missing.
    """
    heads = projectors(checkpoint.shards(folder), checkpoint.sizes(folder).hidden_size)
    if heads.space != perception.encoder.width:
        has = perception.encoder.width
        raise BadWeights(
            f"{folder.name} wants ImageBind's embeddings of {heads.space} numbers; the encoder's have {has}."
        )
    llm = torch_llama.load(folder, device)
    log.info("%s: no part of the planner, and left where they are: %s", folder.name, ", ".join(_strange(llm.ignored)))
    beside = (folder / "tokenizer.json").exists()
    words = vocabulary(folder if beside else folder / "tokenizer", llm.vocabulary, TOKENS)
    return Released(llm, heads, words, perception, draws)


def _strange(ignored: Sequence[str]) -> list[str]:
    """The modules whose tensors neither the LLM nor the projectors took."""
    ours = {name.partition(".")[0] for name in RELEASED}
    return sorted({name.removeprefix("model.").partition(".")[0] for name in ignored} - ours)


def meant(text: str, shown: Sequence[Item], head: str | None) -> list[Item]:
    """The items of a message: the head, what came with it, and the pictures it names by number."""
    named = {int(number) for number in _NUMBER.findall(text)}
    first = [item for item in shown if item.name == head]
    others = [item for item in shown if item.name != head and (not item.number or item.number in named)]
    return [*first, *others]
