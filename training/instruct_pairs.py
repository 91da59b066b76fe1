"""InstructPix2Pix's own data: captions and an instruction, drawn twice, filtered (Brooks et al., 2211.09800, 3.1).

    python -m training.instruct_pairs --pack build/training/pack --triples toybox --count 2000 --out build/pairs
    python -m training.instruct_pairs --model SD --clip CLIP --triples captions.txt --chat PROVIDER:MODEL --count 1000 \
        --out pairs

Of each triple (`caption_triples`) some pairs are drawn (`pair_drawing`) and the best kept (`pair_filter`); shards of
them lie in OUT as `training.data` reads them. A shard is a function of the triples and the seed, so a making that was
stopped goes on and comes to the same. `python -m training.instruct_pix2pix --pairs OUT` learns from them.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import Tensor

from sessions.errors import BadArguments, BadWeights
from sessions.values import Pixels
from tools import chat_models, devices, weights
from tools.diffusion import latents, model
from tools.diffusion.model import LatentDiffusion
from tools.encoders import clip_folder
from tools.encoders.imagebind import ImageBindEncoder
from training import caption_triples, packs, pair_filter, tokens
from training.caption_triples import Triple, same
from training.data import probe
from training.loop import begun_with, claimed, generator, in_words, logged
from training.pair_drawing import Attempt, drawn
from training.pair_filter import Eyes, Thresholds

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

log = logging.getLogger("training")
PART, TOYBOX, TRIPLES = "pairs", "toybox", "triples.json"
PORTION = 20
"""Triples of a shard, and captions that a chat model completes between two looks at what is there."""
AT_ONCE = 8
"""Attempts that are drawn together."""


@dataclass(frozen=True)
class Settings:
    """attempts: pairs drawn of a triple (the paper: 100). share, guidance: ranges of p and of the scale."""

    attempts: int = 8
    steps: int = 100
    share: tuple[float, float] = (0.1, 0.9)
    guidance: tuple[float, float] = (7.5, 15.0)
    seed: int = 0


SMALL = Settings(steps=20, guidance=(3.0, 6.0))
"""For a pack's small networks."""


@dataclass(frozen=True, eq=False)
class Maker:
    """What draws and what judges."""

    drawer: LatentDiffusion
    eyes: Eyes
    settings: Settings
    least: Thresholds

    def attempts(self, item: int) -> list[Attempt]:
        """Those of the triple of that number: a function of it and the seed, however many are drawn at once."""
        found = []
        for number in range(self.settings.attempts):
            noise = generator(self.settings.seed, item, number)
            share, scale = torch.rand(2, generator=noise, dtype=torch.float64).tolist()
            (p, q), (s, t) = self.settings.share, self.settings.guidance
            found.append(Attempt(p + share * (q - p), s + scale * (t - s), noise))
        return found

    def kept(self, item: int, triple: Triple, lost: Counter[str]) -> Tensor:
        """(n, 2, 4, h, w): scaled modes of the pairs kept of a triple; lost: counts whom which threshold refused."""
        before, after = self._pictures(item, triple)
        found = pair_filter.marked(self.eyes, before, after, [(triple.caption, triple.edited)] * len(before))
        lost.update({name: int((~ok).sum()) for name, ok in pair_filter.passing(found, self.least).items()})
        best = pair_filter.kept(found, self.least)
        pairs = [torch.cat([latents.encode(self.drawer, one[i]) for one in (before, after)]) for i in best]
        return torch.stack(pairs).cpu() if pairs else torch.zeros(0, 2, 4, *(self._side,) * 2)

    def _pictures(self, item: int, triple: Triple) -> tuple[list[Pixels], list[Pixels]]:
        attempts = self.attempts(item)
        z = [
            drawn(self.drawer, triple, attempts[first : first + AT_ONCE], self.settings.steps)
            for first in range(0, len(attempts), AT_ONCE)
        ]
        before, after = ([latents.decode(self.drawer, one[None]) for one in half] for half in torch.cat(z, 1))
        return before, after

    @property
    def _side(self) -> int:
        return self.drawer.side // self.drawer.factor

    @property
    def probe(self) -> Tensor:
        """(4, h, w): by which a training knows the autoencoder again (`training.data`)."""
        return latents.encode(self.drawer, probe())[0].cpu()

    def shard(self, first: int, triples: Sequence[Triple], lost: Counter[str]) -> dict[str, Tensor]:
        """The tensors of some triples, the first of that number, as `training.data` has them, an edit each."""
        z = [self.kept(item, one, lost) for item, one in enumerate(triples, first)]
        of = [one for one, pairs in zip(triples, z, strict=True) for _ in pairs]
        words = self.drawer.tokenizer
        captions = tokens.ids(words, [said for one in of for said in (one.caption, one.edited)])
        return {
            "z": torch.cat(z).half(),
            "captions": captions.view(len(of), 2, tokens.LENGTH).int(),
            "instructions": tokens.ids(words, [one.instruction for one in of]).view(len(of), 1, tokens.LENGTH).int(),
            "probe": self.probe,
            "triples": torch.tensor(len(triples)),
        }


def make(maker: Maker, triples: Sequence[Triple], out: Path) -> int:
    """Write the shards that are not there yet; how many pairs there are in all."""
    out.mkdir(parents=True, exist_ok=True)
    there = 0
    for number, first in enumerate(range(0, len(triples), PORTION)):
        path, some = out / f"{number:05d}.safetensors", triples[first : first + PORTION]
        if path.exists() and int((found := weights.tensors(path))["triples"]) == len(some):
            there += len(found["z"])
            continue
        lost: Counter[str] = Counter()
        made = maker.shard(first, some, lost)
        beside = path.with_suffix(".new")
        save_file(made, beside)
        beside.replace(path)
        there += len(made["z"])
        log.info("%d triples: %d pairs kept in all; refused of the last %d: %s", first + len(some), there,
                 len(some) * maker.settings.attempts, dict(lost))  # fmt: skip
    return there


def triples_of(source: str, count: int, seed: int, chat: BaseChatModel | None, out: Path) -> list[Triple]:
    """At most `count`; what a chat model has completed is kept in OUT, so that nothing is asked twice.

    BadArguments where a triple is to be written and there is no chat model.
    """
    if source == TOYBOX:
        return [caption_triples.toybox(item, seed) for item in range(count)]
    told = caption_triples.read(Path(source))[:count]
    if all(one.whole for one in told):
        return _changing(told)
    if chat is None:
        raise BadArguments(
            f"{source} has captions without an instruction.", "--chat names a model that completes them."
        )
    return _completed(chat, told, out / TRIPLES)


def _completed(chat: BaseChatModel, told: Sequence[Triple], path: Path) -> list[Triple]:
    kept = json.loads(path.read_bytes()) if path.exists() else {"captions": 0, "triples": []}
    refused: Counter[str] = Counter()
    while kept["captions"] < len(told):
        first = kept["captions"]
        some = caption_triples.completed(chat, told[first : first + PORTION], refused, first)
        kept["captions"] = min(first + PORTION, len(told))
        kept["triples"] += [one.model_dump() for one in some]
        log.info(
            "%d captions: %d triples; refused: %s", kept["captions"], len(kept["triples"]), dict(refused) or "none"
        )
        weights.write_whole(path, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return _changing(Triple.model_validate(one) for one in kept["triples"])


def _changing(triples: Iterable[Triple]) -> list[Triple]:
    """Those whose captions are not the same."""
    return [one for one in triples if not same(one.caption, one.edited)]


def readable(drawer: LatentDiffusion, triples: Sequence[Triple]) -> list[Triple]:
    """Those of which the network can read every text."""
    found = []
    for one in triples:
        lengths = [len(drawer.tokenizer(said).input_ids) for said in (one.caption, one.instruction, one.edited)]
        if max(lengths) <= tokens.LENGTH:
            found.append(one)
    if len(found) < len(triples):
        log.info("%d triples are longer than %d tokens and are left out", len(triples) - len(found), tokens.LENGTH)
    return found


def of_pack(pack: Path, device: torch.device) -> tuple[LatentDiffusion, ImageBindEncoder]:
    """A pack's text-to-image model and its encoder; MissingWeights where it lacks one."""
    return packs.base(pack, device), packs.reader(pack, device)


def of_folder(folder: Path, clip: Path | None, device: torch.device) -> tuple[LatentDiffusion, Eyes]:
    """A model of diffusers' layout, and CLIP to judge with."""
    if clip is None:
        raise BadArguments(
            "Pairs of a --model are filtered by CLIP.", "--clip FOLDER: a CLIPModel, as transformers writes it."
        )
    precision = devices.precision(device, devices.FULL_SIZE + 1)
    drawer = model.load(folder, device, precision)
    model.needs(drawer, 4, "drawing pairs")
    return drawer, clip_folder.load(clip, device, torch.float32)


def maker_of(args: argparse.Namespace) -> Maker:
    """As the command line says."""
    device = devices.best()
    small = args.pack is not None
    drawer, eyes = of_pack(args.pack, device) if small else of_folder(args.model, args.clip, device)
    least = thresholds(args, eyes)
    chosen = {name: getattr(args, name) for name in ("attempts", "steps") if getattr(args, name) is not None}
    return Maker(drawer, eyes, replace(SMALL if small else Settings(), seed=args.seed, **chosen), least)


def thresholds(args: argparse.Namespace, eyes: Eyes) -> Thresholds:
    """Those that the folder was begun with; else a pack's are calibrated, a model's are the paper's. Each may be said.

    BadWeights where those of a pack mean nothing.
    """
    said = {name: getattr(args, name) for name in ("alike", "said", "direction") if getattr(args, name) is not None}
    if before := begun_with(args.out).get(PART):
        kept = {name: float(before[name]) for name in ("alike", "said", "direction")}
        return replace(Thresholds(most=int(before["most"]), **kept), **said)
    least = replace(pair_filter.calibrated(eyes) if args.pack is not None else Thresholds(), **said)
    for name in {"said", "direction"} - said.keys():
        if (found := getattr(least, name)) <= 0:
            raise BadWeights(
                f"This encoder knows too little to judge pairs: of exact ones it gives some a {name} of {found}.",
                f"python -m training.encoder teaches it; or say --{name} yourself.",
            )
    return least


def told(maker: Maker, args: argparse.Namespace) -> Mapping[str, str | int | float]:
    """What a folder of pairs is begun with: what draws, what judges, what is drawn, and how."""
    settings = {name: str(value) for name, value in (asdict(maker.settings) | asdict(maker.least)).items()}
    judge = maker.eyes.digest if isinstance(maker.eyes, ImageBindEncoder) else model.digest_of(args.clip)
    source = Path(args.triples)
    text = weights.sha256(source) if args.triples != TOYBOX and source.is_file() else ""
    return {"weights": maker.drawer.digest, "judge": judge, "triples": args.triples, "text": text, **settings}


def parser() -> argparse.ArgumentParser:
    """The words of the command line."""
    found = argparse.ArgumentParser(prog="python -m training.instruct_pairs", description=__doc__)
    drawing = found.add_mutually_exclusive_group(required=True)
    drawing.add_argument("--pack", type=Path, help="a pack with a text-to-image model and an encoder")
    drawing.add_argument("--model", type=Path, help="a text-to-image model's folder, as diffusers writes it")
    found.add_argument("--clip", type=Path, help="with --model: a CLIPModel's folder")
    found.add_argument("--triples", required=True, help=f"{TOYBOX}, or a file of triples or captions")
    found.add_argument("--chat", help="PROVIDER:MODEL, as LangChain names it, that completes captions")
    found.add_argument("--count", type=int, required=True, help="triples")
    found.add_argument("--out", type=Path, required=True)
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--attempts", type=int, help="pairs that are drawn of a triple; the paper: 100")
    found.add_argument("--steps", type=int)
    for name, what in (
        ("alike", "of both pictures"),
        ("said", "of a picture and its caption"),
        ("direction", "of ways"),
    ):
        found.add_argument(f"--{name}", type=float, help=f"the least cosine {what}")
    return found


def run(args: argparse.Namespace) -> int:
    """What the command does; how many pairs there are then."""
    maker = maker_of(args)
    log.info("thresholds: %s", asdict(maker.least))
    claimed(args.out, PART, told(maker, args))
    chat = chat_models.opened(args.chat) if args.chat else None
    triples = triples_of(args.triples, args.count, args.seed, chat, args.out)
    return make(maker, readable(maker.drawer, triples), args.out)


@in_words()
def main() -> None:
    args = parser().parse_args()
    logged(args.out)
    run(args)


if __name__ == "__main__":
    main()
