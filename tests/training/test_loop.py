"""The loop: continuing equals never having stopped, a budget stops it between steps, and the average is the average."""

import itertools
import logging
import math
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn

from sessions.errors import BadWeights
from tests.needs import need
from training import plots
from training.loop import Recipe, Trainer, averages, claimed, ema_decay, generator, in_words, logged


def matrices(name, weight):
    return weight.dim() == 2


def tiny(steps=8, seed=0, turned=lambda name, weight: False):
    """A recipe that fits a line, with noise drawn from the step's number."""
    torch.manual_seed(seed)
    net = nn.Linear(3, 1)

    def loss(step):
        x = torch.randn(16, 3, generator=generator(5, step))
        return (net(x) - x.sum(1, keepdim=True)).square().mean()

    return Recipe("line", net, loss, steps, rate=1e-2, warm=2, turned=turned)


def ticking(step=1.0):
    """A clock that goes on by one at every look."""
    ticks = itertools.count(0, step)
    return lambda: next(ticks)


def same(one, other):
    assert one.step == other.step
    for name, p in one.weights.items():
        assert torch.equal(p, other.weights[name])
        assert torch.equal(one.average[name], other.average[name])
        moments, others = one._moments(p), other._moments(other.weights[name])
        assert moments.keys() == others.keys() and len(moments) == (1 if one.recipe.turned(name, p) else 3)
        assert all(torch.equal(moments[key], others[key]) for key in moments)


@pytest.mark.parametrize("turned", [lambda name, weight: False, matrices], ids=["AdamW", "Muon beside it"])
def test_continuing_equals_never_having_stopped(tmp_path, turned):
    whole = Trainer(tiny(turned=turned), tmp_path / "whole")
    whole.run(math.inf)
    for deadline in (5, math.inf):  # the first call stops in the middle; the second starts from random weights
        seed = 9 if deadline == math.inf else 0
        part = Trainer(tiny(seed=seed, turned=turned), tmp_path / "parts")
        part.run(deadline, ticking())
        assert (part.step == 8) == (deadline == math.inf)
    same(whole, part)


def test_muon_takes_a_step_of_one_length_in_every_direction(tmp_path):
    """Its momentum made orthogonal, at AdamW's size: 0.2 √max(m, n) of the rate for each singular direction."""
    torch.manual_seed(0)
    net = nn.Linear(6, 6, bias=False)
    before = net.weight.detach().clone()
    recipe = Recipe(
        "one", net, lambda step: (net.weight * torch.randn(6, 6)).sum(), 1, rate=1e-2, warm=1, turned=matrices
    )
    Trainer(recipe, tmp_path).once()
    lengths = torch.linalg.svdvals(before * (1 - 1e-2 * 0.01) - net.weight.detach()) / (1e-2 * 0.2 * 6**0.5)
    assert lengths.min() > 0.6 and lengths.max() < 1.3


def test_a_budget_stops_between_steps_and_keeps_everything(tmp_path):
    trainer = Trainer(tiny(steps=1000), tmp_path)
    assert trainer.run(10, ticking()) is False
    assert 0 < trainer.step < 10
    same(trainer, Trainer(tiny(steps=1000), tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["line.safetensors"]


def test_no_time_is_no_step(tmp_path):
    trainer = Trainer(tiny(), tmp_path)
    assert trainer.run(-1.0, ticking()) is False
    assert trainer.step == 0


def test_it_learns(tmp_path):
    trainer = Trainer(tiny(steps=400), tmp_path)
    assert trainer.run(math.inf) is True
    trainer.settle()
    with torch.no_grad():
        assert float(trainer.recipe.loss(10**6)) < 0.05


def test_the_average_is_the_weights_average(tmp_path):
    trainer, kept = Trainer(tiny(), tmp_path), []
    expected = trainer.average["weight"].clone()
    for step in range(8):
        trainer.once()
        kept.append(trainer.weights["weight"].detach().clone())
        expected = ema_decay(step) * expected + (1 - ema_decay(step)) * kept[-1]
    torch.testing.assert_close(trainer.average["weight"], expected)


def test_the_rate_warms_up_holds_and_falls():
    recipe = tiny(steps=1000)
    assert recipe.learning_rate(0) == pytest.approx(0.5 * recipe.rate)
    assert recipe.learning_rate(500) == recipe.rate
    assert recipe.learning_rate(850) == pytest.approx(0.5 * recipe.rate)
    assert recipe.learning_rate(999) == pytest.approx(0.05 * recipe.rate)


def test_averages_are_what_a_recipe_settles_on(tmp_path):
    trainer = Trainer(tiny(), tmp_path)
    trainer.run(math.inf)
    found = averages(tmp_path / "line.safetensors")
    trainer.settle()
    assert found.keys() == trainer.weights.keys()
    assert all(torch.equal(found[name], p) for name, p in trainer.weights.items())


def test_a_folder_remembers_what_each_part_was_begun_with(tmp_path):
    claimed(tmp_path / "out", "whole", {"data": "toybox", "size": 4})
    claimed(tmp_path / "out", "stage", {"steps": 10})
    for _ in range(2):
        claimed(tmp_path / "out", "whole", {"data": "toybox", "size": 4})
    before = (tmp_path / "out/recipe.json").read_bytes()
    for part, told, said in (
        ("whole", {"data": "toybox", "size": 8}, "whole was begun with size 4, not 8"),
        ("stage", {"steps": 9}, "stage was begun with steps 10, not 9"),
    ):
        with pytest.raises(BadWeights, match=said):
            claimed(tmp_path / "out", part, told)
    assert before == (tmp_path / "out/recipe.json").read_bytes()


def test_a_folder_of_a_recipe_that_told_nothing_is_not_taken(tmp_path):
    Trainer(tiny(), tmp_path).run(-1.0)
    with pytest.raises(BadWeights, match="holds another recipe: line"):
        claimed(tmp_path, "whole", {})
    assert [path.name for path in tmp_path.iterdir()] == ["line.safetensors"]


def test_a_folder_of_the_parts_own_files_is_taken_up(tmp_path):
    Trainer(tiny(), tmp_path).run(-1.0)
    claimed(tmp_path, "whole", {"steps": 8}, own=("line",))
    with pytest.raises(BadWeights, match="begun with steps 8, not 9"):
        claimed(tmp_path, "whole", {"steps": 9}, own=("line",))
    Trainer(tiny(), tmp_path / "other").run(-1.0)
    Trainer(replace(tiny(), name="strange"), tmp_path / "other").run(-1.0)
    with pytest.raises(BadWeights, match="holds another recipe: strange"):
        claimed(tmp_path / "other", "whole", {}, own=("line",))


def test_what_is_raised_on_purpose_ends_a_command_with_its_sentence():
    with pytest.raises(SystemExit, match="It is so"), in_words():
        raise BadWeights("It is so.")


def test_on_cuda_continuing_equals_never_having_stopped(tmp_path):
    """Fused AdamW keeps its count where the weights are, and takes no other."""
    need(torch.cuda.is_available(), "CUDA", "This needs a GPU: only there steps are counted where the weights are.")

    def trainer(folder):
        torch.manual_seed(0)
        net = nn.Linear(3, 1).cuda()
        at = [torch.randn(16, 3, generator=generator(1, step)) for step in range(6)]
        return Trainer(Recipe("line", net, lambda step: net(at[step].cuda()).square().mean(), 6), tmp_path / folder)

    whole = trainer("whole")
    whole.run(math.inf)
    first = trainer("parts")
    for _ in range(3):
        first.once()
    first.save()
    rest = trainer("parts")
    assert all(value.is_cuda for p in rest.weights.values() for value in rest._moments(p).values())
    rest.run(math.inf)
    assert rest.step == 6 and all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())


def test_continuing_is_exact_where_weights_lie_with_their_channels_last(tmp_path):
    """Moments are laid as their weights are; else a fused step would pair them with others'."""

    def trainer(folder):
        torch.manual_seed(0)
        net = torch.nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
        at = [torch.randn(2, 3, 6, 6, generator=generator(1, step)) for step in range(6)]
        return Trainer(Recipe("conv", net, lambda step: net(at[step]).square().mean(), 6), tmp_path / folder)

    whole = trainer("whole")
    whole.run(math.inf)
    first = trainer("parts")
    for _ in range(3):
        first.once()
    first.save()
    rest = trainer("parts")
    rest.run(math.inf)
    assert rest.step == 6 and all(torch.equal(p, rest.weights[name]) for name, p in whole.weights.items())


# The end of a command


@contextmanager
def alone():
    """No handler of anybody else's, as in a process of a recipe."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        yield
    finally:
        for mine in root.handlers:
            mine.close()
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.mark.parametrize("end", [None, KeyboardInterrupt, BadWeights("It is none.")])
def test_however_a_command_ends_its_losses_are_drawn(end, tmp_path):
    @in_words()
    def command():
        logged(tmp_path / "out")
        Trainer(tiny(40), tmp_path / "out").run(math.inf)
        if end is not None:
            raise end

    with alone(), nullcontext() if end is None else pytest.raises((KeyboardInterrupt, SystemExit)):
        command()
    with Image.open(tmp_path / "out/losses.png") as page:
        assert page.size == (plots.WIDTH, plots.HEIGHT)


def test_a_command_that_has_no_losses_draws_none(tmp_path):
    with alone(), in_words():
        logged(tmp_path)
        logging.getLogger("training").info("shard 1 of 2")
    assert {path.name for path in tmp_path.iterdir()} == {"training.log"}


def test_what_has_learnt_from_photos_does_not_go_on_with_the_toybox_nor_the_other_way(tmp_path):
    claimed(tmp_path / "one", "prior", {"pairs": 3, "photos": "abc"})
    with pytest.raises(BadWeights, match="was begun with photos abc, not None"):
        claimed(tmp_path / "one", "prior", {"pairs": 3})
    claimed(tmp_path / "other", "prior", {"pairs": 3})
    with pytest.raises(BadWeights, match="was begun with photos None, not abc"):
        claimed(tmp_path / "other", "prior", {"pairs": 3, "photos": "abc"})
    claimed(tmp_path / "other", "prior", {"pairs": 3})
