"""The one training loop: AdamW or Muon, averaged weights, exact checkpoints, a clean stop at a deadline.

A step's randomness comes from (seed, step) alone, so a run that was stopped and continued equals one that was not.
State is one safetensors file (weights, average, the optimizers' moments, the step), written beside and renamed: a stop
at any moment leaves the last whole one. Knows no recipe; losses and networks are theirs.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sessions.errors import BadWeights, PentimentoError
from tools.weights import tensors
from training import plots

log = logging.getLogger("training")
EMA_DECAY, EMA_HORIZON = 0.9995, 10
SAVE_EVERY = 120.0
DECAY = 0.01
LOG_EVERY = 10
MOMENTS = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")
"""What AdamW and Muon keep of a weight."""
LOG = "training.log"
ELSEWHERE = "Choose another folder with --out."


@dataclass(frozen=True, eq=False)
class Recipe:
    """What is trained and how long: `loss(step)` draws that step's batch itself, from its number alone.

    `turned`: which weights, by name, Muon steps at AdamW's size (Jordan et al., 2024; Liu et al., arXiv 2502.16982).
    `halved`: whether it gains by bfloat16 on CPUs too: nets of wide layers and large batches do.
    """

    name: str
    net: nn.Module
    loss: Callable[[int], Tensor]
    steps: int
    rate: float = 6e-4
    warm: int = 100
    decay: float = 0.3
    turned: Callable[[str, Tensor], bool] = lambda name, weight: False
    halved: bool = False

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, constant, then linear to a twentieth over the last `decay` of all steps."""
        tail = (self.steps - step) / (self.decay * self.steps)
        return self.rate * min(1.0, (step + 1) / self.warm, max(tail, 0.05))


def generator(*numbers: int) -> torch.Generator:
    """Randomness that is a function of these numbers."""
    seed = 0
    for number in numbers:
        seed = (seed * 1_000_003 + number + 1) % (2**63 - 1)
    return torch.Generator().manual_seed(seed)


def ema_decay(step: int) -> float:
    """Warm-up of the average: it spans about the last tenth of the steps, until `EMA_DECAY` caps it."""
    return min(EMA_DECAY, (1 + step) / (EMA_HORIZON + step))


class Trainer:
    """A recipe with its optimizer and average, and where they are kept."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe, self.step = recipe, 0
        self.path = folder / f"{recipe.name}.safetensors"
        self.weights = {name: p for name, p in recipe.net.named_parameters() if p.requires_grad}
        self.average = {name: p.detach().clone() for name, p in self.weights.items()}
        self.optimizers = list(_optimizers(recipe, self.weights))
        if self.path.exists():
            self._load()

    def run(self, deadline: float, clock: Callable[[], float] = time.monotonic) -> bool:
        """Train until the recipe's steps are done (True) or the clock passes the deadline (False); saved either way."""
        saved, seen = clock(), []
        while self.step < self.recipe.steps and clock() < deadline:
            seen.append(self.once())
            if self.step % LOG_EVERY == 0:
                log.info("%s step %d loss %.4f", self.recipe.name, self.step, sum(seen) / len(seen))
                seen = []
            if clock() - saved > SAVE_EVERY:
                self.save()
                saved = clock()
        self.save()
        return self.step >= self.recipe.steps

    def once(self) -> float:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate(self.step)
        device = next(iter(self.weights.values())).device
        with autocast(device, self.recipe.halved or device.type == "cuda"):
            loss = self.recipe.loss(self.step)
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        rate = 1 - ema_decay(self.step)
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.weights.values()], rate)
        self.step += 1
        return float(loss.detach())

    def save(self) -> None:
        """Everything the next step depends on, in one file."""
        state = {"step": torch.tensor(self.step)}
        for name, p in self.weights.items():
            state[f"weights/{name}"], state[f"average/{name}"] = p.detach(), self.average[name]
            for key, value in self._moments(p).items():
                state[f"{key}/{name}"] = value
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        save_file({k: v.contiguous() for k, v in state.items()}, beside)
        beside.replace(self.path)

    def _load(self) -> None:
        state = tensors(self.path)
        self.step = int(state["step"])
        for name, p in self.weights.items():
            p.data.copy_(state[f"weights/{name}"])
            self.average[name].copy_(state[f"average/{name}"])
            for key in MOMENTS:
                if f"{key}/{name}" in state:
                    value = state[f"{key}/{name}"]
                    # where the weight is, and laid in memory as it is: fused steps walk through both in that order
                    there = value.to(p.device) if key == "step" else torch.empty_like(p.detach()).copy_(value)
                    self._moments(p)[key] = there

    def _moments(self, p: Tensor) -> dict[str, Tensor]:
        """What the optimizer that steps a weight keeps of it."""
        (mine,) = (one for one in self.optimizers if any(p is other for other in one.param_groups[0]["params"]))
        kept: dict[str, Tensor] = mine.state[p]
        return kept

    def settle(self) -> None:
        """Put the average in place of the weights: training is over."""
        for name, p in self.weights.items():
            p.data.copy_(self.average[name])


def learnt(recipe: Recipe, folder: Path, deadline: float) -> bool:
    """A recipe as far as the time goes, its state kept in a folder; then its net has the average. True at its end."""
    trainer = Trainer(recipe, folder)
    done = trainer.run(deadline)
    log.info("%s stands at step %d of %d", recipe.name, trainer.step, recipe.steps)
    trainer.settle()
    return done


def _optimizers(recipe: Recipe, weights: Mapping[str, nn.Parameter]) -> Iterator[torch.optim.Optimizer]:
    turned = {name: p for name, p in weights.items() if recipe.turned(name, p)}
    others = [p for name, p in weights.items() if name not in turned]
    if turned:
        yield torch.optim.Muon(turned.values(), lr=recipe.rate, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw")
    if others:
        yield torch.optim.AdamW(others, lr=recipe.rate, betas=(0.9, 0.99), weight_decay=DECAY, fused=True)


def averages(path: Path) -> dict[str, Tensor]:
    """What a recipe has come to: the averages of the weights that learnt in it, by their names."""
    return {name.removeprefix("average/"): w for name, w in tensors(path).items() if name.startswith("average/")}


def logged(folder: Path) -> None:
    """The folder of a training is there, and what is logged stands in its training.log and on the terminal."""
    folder.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [logging.StreamHandler(), logging.FileHandler(folder / LOG, encoding="utf-8")]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=handlers)


@contextmanager
def in_words() -> Iterator[None]:
    """Around a command: what we raise on purpose ends it with its sentence, not with a traceback.

    However it ends, the losses in the log that `logged` has begun are drawn beside it.
    """
    try:
        yield
    except PentimentoError as error:
        raise SystemExit(str(error)) from error
    finally:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler) and (path := Path(handler.baseFilename)).name == LOG:
                with suppress(OSError):  # a full disk is no reason to hide what the command ended with
                    plots.draw([path.parent])


def begun_with(folder: Path) -> dict[str, dict[str, str | int | float]]:
    """What a folder's recipe.json says of the parts that were begun in it."""
    path = folder / "recipe.json"
    known: dict[str, dict[str, str | int | float]] = json.loads(path.read_bytes()) if path.exists() else {}
    return known


def claimed(folder: Path, part: str, told: Mapping[str, str | int | float], own: Sequence[str] = ()) -> None:
    """What a part of a folder's training is begun with, kept in its recipe.json. own: names of files of the part.

    BadWeights, naming it, where it was begun with something else, or the folder holds weights of another recipe; a
    folder with nothing but the part's own is one of before claims were kept, and is taken up. Who learns from the
    toybox says nothing of photos, and so never goes on with what has learnt from them.
    """
    path, known = folder / "recipe.json", begun_with(folder)
    strangers = sorted({there.stem for there in folder.glob("*.safetensors")} - set(own))
    if strangers and not known:
        raise BadWeights(f"{folder} holds another recipe: {strangers[0]}.", ELSEWHERE)
    for name in dict.fromkeys((*told, "photos")):
        if (before := known.get(part, told).get(name)) != (value := told.get(name)):
            raise BadWeights(f"{folder}: {part} was begun with {name} {before}, not {value}.", ELSEWHERE)
    folder.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(known | {part: told}, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def autocast(device: torch.device, wanted: bool = True) -> torch.autocast | nullcontext[None]:
    """bfloat16 where a GPU or CPU computes it natively; others would only lose by it."""
    native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16) if wanted and native else nullcontext()


def batches(count: int, size: int, seed: int, step: int) -> Iterator[int]:
    """The items of a step: `size` numbers below `count`."""
    return iter(torch.randint(count, (size,), generator=generator(seed, step)).tolist())
