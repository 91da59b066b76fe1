"""`make train`: all parts one behind the other, tiny; stopped anywhere and gone on with the pack is the same."""

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from sessions.errors import BadWeights
from tools import weights
from tools.diffusion import model
from tools.nets.imagebind import Trunk
from training import (
    base,
    blip_diffusion,
    blip_representation,
    chain,
    data,
    decoder,
    encoder,
    inpainting,
    loop,
    prior,
    reading,
    realigning,
    starter_planner,
    tilings,
    vae,
)
from training.chain import Chain, Plan
from training.diffusion import networks
from training.loop import Trainer

ROLES = {
    "text-to-image", "instruct-pix2pix", "encoder", "planner", "any2pix", "inpainting", "blip-diffusion"
}  # fmt: skip
TINY = Plan(
    vae=2,
    decoder=1,
    shards=1,
    base=2,
    instruct_pix2pix=1,
    encoder=encoder.Plan(1, 1),
    planner=starter_planner.Plan(30, 1),
    prior=prior.Plan(4, 1),
    realigning=realigning.Plan(2, 1),
    inpainting=inpainting.Plan(2, 1),
    blip_representation=blip_representation.Plan(1, 2, queries=2),
    blip_diffusion=blip_diffusion.Plan(1, 2, count=2),
    reading=1,
)
TRAININGS = 2 + 1 + 2 + 1 + 2 + 2 + 1 + 1 + 1 + 1 + 1 + 1
"""Steps of all parts."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Batches, data and networks as small as they can be; every step is kept."""
    for module in (vae, base, chain.instruct_pix2pix, encoder, prior, realigning, reading):
        monkeypatch.setattr(module, "BATCH", 4)
    monkeypatch.setattr(decoder, "BATCH", 2)
    monkeypatch.setattr(decoder, "GRIDS", 1)
    monkeypatch.setattr(reading, "DECODED", 2)
    monkeypatch.setattr(reading, "POOL", 2)
    monkeypatch.setattr(inpainting, "SCENES", 2)
    monkeypatch.setattr(encoder, "TAKES", 2)
    monkeypatch.setattr(prior, "TAKES", 2)
    monkeypatch.setattr(prior, "WIDTH", 16)
    monkeypatch.setattr(chain, "SCENES_FOR_STATISTICS", 4)
    monkeypatch.setattr(loop, "SAVE_EVERY", -1.0)
    for module in (data, tilings):
        monkeypatch.setattr(module.shard, "__defaults__", (2,))
    monkeypatch.setattr(base, "networks", lambda words, seed: networks(words, seed, (16, 16, 16)))
    trunk, sizes = Trunk(32, 2, 2), encoder.config
    few = {"space": 32, "vision": trunk, "text": trunk, "audio": trunk}
    monkeypatch.setattr(encoder, "config", lambda words: replace(sizes(words), **few))
    for name, value in {"TOLD": 40, "CALIBRATING": 3, "SIZE": 4, "SHORT_SIZE": 4, "WIDTH": 32, "LAYERS": 1}.items():
        monkeypatch.setattr(starter_planner, name, value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tmp_path_factory.mktemp("whole")


def made(out):
    """What a pack holds, to the hash."""
    return json.loads((out / "pack/register.json").read_text())


def test_all_parts_make_a_whole_pack_once(whole, tmp_path, monkeypatch):
    """From nothing; then nothing of it is trained again."""
    steps = []
    once = Trainer.once
    monkeypatch.setattr(Trainer, "once", lambda self: steps.append(self.recipe.name) or once(self))
    assert Chain(whole, plan=TINY).run(math.inf)
    assert len(steps) == TRAININGS and list(dict.fromkeys(steps))[:4] == ["vae", "decoder", "base", "instruct_pix2pix"]
    entries = {entry.role: entry for entry in weights.read_register(whole / "pack/register.json")}
    assert set(entries) == ROLES
    weights.Seen(tmp_path / "seen.json").check({k: f for entry in entries.values() for k, f in entry.files.items()})
    assert (whole / "reading/shipped.safetensors").exists()
    records = Chain(whole, plan=TINY).records()
    assert set(records) == set(Chain(whole, plan=TINY).parts)
    assert all(one.finished and one.calls == 1 and one.device == "cpu" for one in records.values())
    before = made(whole)
    assert Chain(whole, plan=TINY).run(math.inf)
    assert len(steps) == TRAININGS and made(whole) == before
    assert Chain(whole, plan=TINY).records() == records
    one = model.load(weights.laid_out(entries["text-to-image"], tmp_path / "base").folder, "cpu", torch.float32)
    assert one.side == 64


def test_a_part_is_made_with_what_it_is_made_of_and_nothing_behind_it(tmp_path):
    """By the command; then a part that there is not."""
    some = Chain(tmp_path, plan=TINY)
    assert some.run(math.inf, until="decoder") and list(some.records()) == ["vae", "decoder"]
    told = [sys.executable, "-m", "training", "--budget", "0", "--out", str(tmp_path / "none"), "--until", "nothing"]
    done = subprocess.run(told, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("There is no part called nothing. There are: vae, ")


class Killed(BaseException):
    """What a test ends a training with."""


def killed(out, monkeypatch, steps):
    """A chain that is killed behind so many steps."""
    once, left = Trainer.once, iter(range(steps))

    def until_killed(self):
        if next(left, None) is None:
            raise Killed
        return once(self)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Trainer, "once", until_killed)
        Chain(out, plan=TINY).run(math.inf)


def test_killed_in_a_part_and_between_two_recipes_of_one_it_goes_on_to_the_same_pack(whole, tmp_path, monkeypatch):
    """After half of the base; then between the encoder's words and its sounds."""
    for steps, part in ((4, "base"), (3, "encoder")):
        killed(tmp_path, monkeypatch, steps)
        *done, last = Chain(tmp_path, plan=TINY).records().items()
        assert all(one.finished for _, one in done) and last[0] == part and not last[1].finished
    assert Chain(tmp_path, plan=TINY).run(math.inf)
    assert made(tmp_path) == made(whole)
    assert Chain(tmp_path, plan=TINY).records()["base"].calls == 2


def test_no_part_begins_before_the_one_before_it_is_at_its_end(tmp_path):
    """Without time there is nothing but what was noted; nothing of it is in the way later."""
    some = Chain(tmp_path, plan=replace(TINY, vae=0, decoder=0))
    assert not some.run(0.0)
    assert not some.records() and not (tmp_path / "parts.json").exists() and not (tmp_path / "pack").exists()


def test_a_folder_keeps_its_plan_and_its_words(tmp_path):
    """What is there from before claims were kept is taken up; another plan, or other words, are refused."""
    Trainer(vae.recipe(steps=2), tmp_path).save()
    Chain(tmp_path, plan=TINY)
    with pytest.raises(BadWeights, match="chain was begun with base 2, not 3"):
        Chain(tmp_path, plan=replace(TINY, base=3))
    before = (tmp_path / "tokenizer/merges.txt").read_text()
    (tmp_path / "tokenizer/merges.txt").write_text(before.replace("\n", "\nx y\n", 1))
    with pytest.raises(BadWeights, match="has other words"):
        Chain(tmp_path, plan=TINY)
    assert "x y" in (tmp_path / "tokenizer/merges.txt").read_text()
