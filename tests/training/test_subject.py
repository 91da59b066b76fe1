"""A subject as a recipe: the tool's own loss, that it goes on exactly, and that a session draws what was learnt."""

import math
import shutil
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from agent.assistant import Assistant
from agent.plan import PlanStep
from agent.stepping import Job, work
from sessions import uploads
from sessions.errors import BadWeights, NotFound
from sessions.store import Store
from sessions.values import LearntSubject, Picture
from tests import tiny
from tests.agent.conftest import ScriptedPlanner
from tests.training import photographs
from tools import adding, subjects, weights
from tools.base import drain
from tools.diffusion import finetuning
from tools.diffusion.finetuning import Schooling
from tools.nets.context_clip import sharing
from tools.shelf import Shelf
from training import subject
from training.loop import Trainer, generator
from training.subject import begun, recipe
from ui.cli import app


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    shelf = Shelf(folder)
    adding.add(shelf, tiny.blip_diffusion(folder / "blip"), subjects.ROLE)
    return shelf


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    where = photographs.folder(tmp_path_factory.mktemp("rex"), 2)
    (where / "notes.txt").write_text("none")
    return where


@pytest.fixture(scope="module")
def small(shelf):
    return tiny.shallow(shelf.diffusion(subjects.ROLE))


@pytest.fixture(scope="module")
def start(shelf, small, photos):
    return begun(shelf, small, photos, "dog")


def test_it_begins_with_what_the_tool_begins_with(shelf, small, photos, start):
    pictures = [Picture(photographs.photograph(number)) for number in (0, 1)]
    assert len(start.squares) == 2 and start.ids == small.tokenizer("a dog").input_ids
    torch.testing.assert_close(start.vectors, subjects.vectors(shelf, small, pictures, "dog"))
    with pytest.raises(NotFound, match="no photo in"):
        begun(shelf, small, photos / "none", "dog")


def test_its_first_loss_is_the_tools(small, start):
    """Of the same randomness."""
    made, schooling = recipe(small, start, Schooling(3)), Schooling(3)
    encoder, caption = sharing(small.text_encoder), torch.tensor([start.ids])
    for step in range(2):
        random = generator(schooling.seed, step)
        z = start.z[torch.randint(len(start.z), (finetuning.BATCH,), generator=random)]
        text = encoder(caption, start.vectors[None]).expand(finetuning.BATCH, -1, -1)
        expected = finetuning.errors(small, z, text, random).mean()
        torch.testing.assert_close(made.loss(step), expected)


def test_all_of_the_unet_and_the_vectors_learn_alike_at_every_step(small, start, tmp_path):
    made = recipe(small, start, Schooling(5, 1e-3))
    assert [made.learning_rate(step) for step in range(5)] == [1e-3] * 5
    before = {name: p.detach().clone() for name, p in small.unet.named_parameters()}
    trainer = Trainer(made, tmp_path)
    trainer.run(math.inf)
    assert all(not torch.equal(trainer.weights[f"unet.{name}"], p) for name, p in before.items())
    assert not torch.equal(trainer.weights["vectors.0"], start.vectors)
    assert all(torch.equal(p, before[name]) for name, p in small.unet.named_parameters()), "the tools' own stands still"


def test_it_goes_on_exactly(small, start, tmp_path):
    whole = Trainer(recipe(small, start, Schooling(4, 1e-3)), tmp_path / "whole")
    whole.run(math.inf)
    ticks = iter(range(100))
    Trainer(recipe(small, start, Schooling(4, 1e-3)), tmp_path / "parts").run(4, lambda: next(ticks))
    rest = Trainer(recipe(small, start, Schooling(4, 1e-3)), tmp_path / "parts")
    assert 0 < rest.step < 4
    rest.run(math.inf)
    assert all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())


def test_the_loss_falls(small, start, tmp_path):
    made = recipe(small, start, Schooling(24, 3e-3))
    before = float(made.loss(0).detach())
    Trainer(replace(made, loss=lambda step: made.loss(0)), tmp_path).run(math.inf)
    assert float(made.loss(0).detach()) < 0.9 * before


def test_what_is_left_is_a_subject_that_a_session_draws(shelf, photos, tmp_path, monkeypatch):
    home = shelf.folder.parent
    monkeypatch.setenv("PENTIMENTO_HOME", str(home))
    out = tmp_path / "out"
    assert subject.train(out, 1e9, photos, "dog", Schooling(1, 1e-3), shelf)
    with pytest.raises(BadWeights, match="was begun with category dog, not cat"):
        subject.train(out, 0.0, photos, "cat", Schooling(1, 1e-3), shelf)
    store = Store(home)
    Assistant(store, ScriptedPlanner()).new(("base.png", (photos / "0.png").read_bytes()))
    junk = shutil.copytree(out, tmp_path / "junk")
    (junk / "learnt.safetensors").write_bytes(b"none")
    for words, code in ((("rex", out), 0), (("rex", out), 1), (("max", photos), 1), (("max", junk), 1)):
        done = CliRunner().invoke(app, ["subject", "add", *map(str, words)])
        assert done.exit_code == code, done.output
    [asset] = uploads.subjects(store, store.sessions()[-1].id)
    store.close()
    assert asset.name == "rex" and asset.bytes == (out / "learnt.safetensors").stat().st_size
    data = (out / "learnt.safetensors").read_bytes()
    _, told = weights.unpacked(data)
    assert told["category"] == "dog" and told["steps"] == "1"
    learnt = LearntSubject(photographs.photograph(0), data)
    step = PlanStep(tool="blip_diffusion", args={"category": "dog", "steps": 2}, seed=4)
    done = drain(work(0, Job(step, Picture(photographs.photograph(2)), (learnt,), shelf=shelf)))
    assert done.edit.image.size == (64, 64)
