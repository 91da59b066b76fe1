"""Everything that is in the starter pack, from nothing, one part after the other: `make train`.

Parts stand in the order of their worth, each behind those that it is made of, and each runs to its own end before the
next begins; so what is there at a stop is worth most, and on one machine it comes out the same however often it was
stopped. After every part the pack OUT/pack is whole as far as it goes. OUT/parts.json says which parts are finished and
how long they took: a finished one is never begun again. Networks and losses are each recipe's own; what is here is only
which recipe begins with what another has left.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import CLIPTokenizer

from tools.weights import sha256, write_whole
from training import (
    base,
    blip_diffusion,
    blip_representation,
    data,
    decoder,
    encoder,
    encoder_pack,
    export,
    inpainting,
    instruct_pix2pix,
    plots,
    prior,
    reading,
    realigning,
    starter_planner,
    tokens,
    vae,
)
from training.blip_diffusion import Plan as SubjectsPlan
from training.blip_representation import Plan as RepresentationPlan
from training.encoder import Plan as EncoderPlan
from training.inpainting import Plan as InpaintingPlan
from training.loop import Recipe, Trainer, claimed, learnt
from training.prior import Plan as PriorPlan
from training.realigning import Plan as RealigningPlan
from training.starter_planner import Plan as PlannerPlan

log = logging.getLogger("training")
SCENES_FOR_STATISTICS = 256
OWN = ("vae", "decoder", "base", "instruct_pix2pix")
"""Parts whose checkpoints lie in the folder itself; all others have one of their own, with a recipe.json."""


@dataclass(frozen=True)
class Plan:
    """How long each part is trained and what it learns from; by default as what is shipped was. Numbers are steps."""

    vae: int = vae.STEPS
    decoder: int = decoder.STEPS
    shards: int = data.SHARDS
    base: int = base.STEPS
    instruct_pix2pix: int = instruct_pix2pix.STEPS
    encoder: EncoderPlan = field(default_factory=EncoderPlan)
    planner: PlannerPlan = field(default_factory=PlannerPlan)
    prior: PriorPlan = field(default_factory=PriorPlan)
    realigning: RealigningPlan = field(default_factory=RealigningPlan)
    inpainting: InpaintingPlan = field(default_factory=InpaintingPlan)
    blip_representation: RepresentationPlan = field(default_factory=RepresentationPlan)
    blip_diffusion: SubjectsPlan = field(default_factory=SubjectsPlan)
    reading: int = reading.STEPS


@dataclass(frozen=True)
class Record:
    """What is known of a part: whether it is finished, seconds and calls that it took, and on what it ran last."""

    finished: bool = False
    seconds: float = 0.0
    calls: int = 0
    device: str = ""


class Chain:
    """The parts of a folder. Each part trains until it is done, True, or the deadline has passed.

    BadWeights where the folder was begun with another plan or other words.
    """

    def __init__(self, out: Path, device: str = "cpu", plan: Plan | None = None) -> None:
        self.out, self.pack, self.device, self.plan = out, out / "pack", device, plan or Plan()
        self.deadline = 0.0
        tokens.write(out / "tokenizer")
        claimed(out, "chain", {**self._own(), "tokenizer": sha256(out / "tokenizer/vocab.json")}, OWN)
        self.tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(out / "tokenizer", local_files_only=True)
        self.parts: Mapping[str, Callable[[], bool]] = {
            "vae": self.vae,
            "decoder": self.decoder,
            "latents": self.latents,
            "base": self.base,
            "instruct_pix2pix": self.instruct_pix2pix,
            "encoder": self.encoder,
            "planner": self.planner,
            "prior": self.prior,
            "realigning": self.realigning,
            "inpainting": self.inpainting,
            "blip_representation": self.blip_representation,
            "blip_diffusion": self.blip_diffusion,
            "reading": self.reading,
        }

    def run(self, minutes: float, until: str = "") -> bool:
        """Go on for so many minutes; whether everything is finished, or all parts `until` one, that one too."""
        self.deadline = time.monotonic() + 60 * minutes
        names = list(self.parts)
        for name in names[: names.index(until) + 1] if until else names:
            if self.records().get(name, Record()).finished:
                continue
            if time.monotonic() >= self.deadline or not self._gone_on(name, self.parts[name]):
                log.info("the time is over in %s; the same command goes on from there", name)
                return False
        log.info("%s is finished: %s", f"everything until {until}" if until else "everything", self.pack)
        return True

    def records(self) -> dict[str, Record]:
        """What OUT/parts.json says of each part that has begun."""
        path = self.out / "parts.json"
        found = json.loads(path.read_bytes()) if path.exists() else {}
        return {name: Record(**one) for name, one in found.items()}

    def _gone_on(self, name: str, part: Callable[[], bool]) -> bool:
        """A part as far as the time goes, noted however it ends; its losses drawn."""
        begun, done = time.monotonic(), False
        try:
            done = part()
        finally:
            known = self.records()
            old = known.get(name, Record())
            took = round(old.seconds + time.monotonic() - begun, 1)
            known[name] = Record(done, took, old.calls + 1, self.device)
            told = {part: asdict(record) for part, record in known.items()}
            write_whole(self.out / "parts.json", json.dumps(told, indent=1) + "\n")
        plots.draw([self.out])
        return done

    @property
    def left(self) -> float:
        """Minutes."""
        return (self.deadline - time.monotonic()) / 60

    def _own(self) -> dict[str, int]:
        """The plan of the parts that have no folder of their own."""
        return {name: getattr(self.plan, name) for name in (*OWN, "shards")}

    # What draws

    def vae(self) -> bool:
        """The autoencoder."""
        return self._learnt(self._vae())

    def decoder(self) -> bool:
        """Its decoder, which goes on alone."""
        return self._learnt(decoder.recipe(self._normalised(), steps=self.plan.decoder))

    def latents(self) -> bool:
        """What the next two learn from."""
        return data.make(self.out / "latents", self._coder(), self.tokenizer, self.deadline, self.plan.shards)

    def base(self) -> bool:
        """With it there is a pack."""
        recipe = self._base(self._read())
        if done := self._learnt(recipe):
            export.pack(self.pack, self._coder(), {"base": cast(nn.ModuleDict, recipe.net)}, self.out / "tokenizer")
        return done

    def instruct_pix2pix(self) -> bool:
        """The editor, made of the base."""
        pairs = self._read()
        begun = cast(nn.ModuleDict, self._settled(self._base(pairs)))
        plan = instruct_pix2pix.Plan(self.plan.instruct_pix2pix)
        recipe = instruct_pix2pix.recipe(begun, pairs, vae.SCALE, self.tokenizer, plan)
        if done := self._learnt(recipe):
            export.added(self.pack, "instruct_pix2pix", cast(nn.ModuleDict, recipe.net))
        return done

    def _vae(self) -> Recipe:
        return vae.recipe(steps=self.plan.vae, device=self.device)

    def _base(self, pairs: data.Data) -> Recipe:
        return base.recipe(pairs, self.tokenizer, steps=self.plan.base, device=self.device)

    def _read(self) -> data.Data:
        return data.read(self.out / "latents", self.plan.shards)

    def _normalised(self) -> AutoencoderKL:
        """The autoencoder with latents of mean 0 and the deviation that its config says."""
        coder = cast(AutoencoderKL, self._settled(self._vae())).eval().requires_grad_(False)
        examples, _ = vae.pictures(0, SCENES_FOR_STATISTICS)
        with torch.no_grad():
            return vae.normalised(coder, coder.encode(examples.to(self.device)).latent_dist.mode())

    def _coder(self) -> AutoencoderKL:
        """The same with its decoder as that has learnt alone."""
        coder = self._settled(decoder.recipe(self._normalised(), steps=self.plan.decoder))
        return cast(AutoencoderKL, coder.requires_grad_(False))

    def _learnt(self, recipe: Recipe) -> bool:
        """A recipe as far as the time goes, its average in its network."""
        return learnt(recipe, self.out, self.deadline)

    def _settled(self, recipe: Recipe) -> nn.Module:
        """A recipe's network as far as it has come."""
        Trainer(recipe, self.out).settle()
        return recipe.net

    # What sees, hears and plans

    def encoder(self) -> bool:
        """What sees and hears."""
        if done := encoder.train(self.out / "encoder", self.left, self.plan.encoder, self.device):
            encoder_pack.install(self.out / "encoder/encoder", self.pack)
        return done

    def planner(self) -> bool:
        """What plans, by what the encoder sees."""
        out = self.out / "planner"
        done = starter_planner.train(out, self.left, self.plan.planner, self.pack, self.device, early=False)
        if done:
            starter_planner.install(out / "planner", self.pack)
        return done

    # What draws what is meant

    def prior(self) -> bool:
        """It comes into the pack with what follows."""
        return prior.train(self.out / "prior", self.left, self.plan.prior, self.pack, self.device)

    def realigning(self) -> bool:
        """The adapter; with the prior it becomes a role of the pack."""
        out = self.out / "realigning"
        if done := realigning.train(out, self.left, self.plan.realigning, self.pack, self.device):
            export.any2pix(self.pack, out / "ip_adapter", self.out / "prior/prior")
        return done

    def inpainting(self) -> bool:
        """What `analogist` asks, made of the base."""
        out = self.out / "inpainting"
        if done := inpainting.train(out, self.left, self.plan.inpainting, self.pack, self.device):
            export.inpainting(self.pack, out / inpainting.NAME)
        return done

    def blip_representation(self) -> bool:
        """Stage 1; it comes into the pack with stage 2."""
        stage, given = blip_representation, blip_representation.Given()
        return stage.train(self.out / stage.NAME, self.left, self.plan.blip_representation, given, self.device)

    def blip_diffusion(self) -> bool:
        """Stage 2: a base that draws subjects."""
        out, given = self.out / "blip_diffusion", blip_diffusion.Given(self.pack, self.out / blip_representation.NAME)
        if done := blip_diffusion.train(out, self.left, self.plan.blip_diffusion, given, self.device):
            export.subjects(self.pack, out)
        return done

    # What marks

    def reading(self) -> bool:
        """The grader, which is no part of the pack: OUT/reading/shipped.safetensors."""
        return reading.train(self.out / "reading", self.left, self.plan.reading, self.pack, self.device)
