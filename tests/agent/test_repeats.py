"""A step with weights that was worked before is not worked again, and is never mistaken for another."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import Field

from agent.plan import PlanStep
from agent.stepping import Job, Result, work
from sessions.errors import Unsure
from sessions.values import LearntSubject, Picture
from tests import tiny
from tools import caches, devices, registry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool
from tools.sounds import Sound

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
worked: list[float] = []


MOVED = (1.0, 0.0, 3.0, 0.0, 1.0, 4.0, 0.0, 0.0, 1.0)


class ShadeArgs(ToolArgs):
    amount: float = Field(default=0.5, ge=0, le=1)
    doubtful: bool = False
    marks: bool = False
    moves: bool = False


@tool("shade", args=ShadeArgs, region="optional", subjects=(0, 8), weights=("text-to-image",))
def shade(ctx: EditContext, args: ShadeArgs) -> Edit:
    """Make a picture darker."""
    worked.append(args.amount)
    if args.doubtful and not ctx.confirmed:
        raise Unsure("Is this it?", "Say yes.", 0.3)
    yield Progress(0.5)
    pixels = (ctx.image.pixels * args.amount).astype(np.uint8)
    made = EditResult(Picture(pixels), facts={"amount": args.amount}, latent=torch.full((1, 4, 2, 2), args.amount))
    if args.marks:
        made = replace(made, mask=np.eye(*pixels.shape[:2], dtype=np.uint8) * 255)
    return replace(made, geometry=MOVED) if args.moves else made


@pytest.fixture
def job(tmp_path: Path, monkeypatch) -> Job:
    monkeypatch.setattr(registry, "registered", lambda found=registry.registered(): found | {"shade": shade})
    worked.clear()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    return Job(PlanStep(tool="shade"), Picture(pixels), seed=7, shelf=empty_shelf(tmp_path))


def empty_shelf(home: Path):
    from tools import shelf

    return shelf.Shelf(home)


def done(job: Job) -> Result:
    going = work(0, job)
    try:
        while True:
            next(going)
    except StopIteration as end:
        return end.value


def with_step(**changes) -> Callable[[Job], Job]:
    return lambda job: replace(job, step=job.step.model_copy(update=changes))


def test_the_same_step_is_worked_once_and_says_so(job: Job):
    first, second = done(job), done(job)
    assert len(worked) == 1
    assert np.array_equal(first.edit.image.pixels, second.edit.image.pixels)
    assert torch.equal(first.edit.latent, second.edit.latent) and second.edit.geometry == first.edit.geometry
    assert "repeated" not in first.facts and second.facts["repeated"] is True
    assert second.facts["amount"] == 0.5


def test_a_region_comes_back_with_it(job: Job):
    job = with_step(region={"box": [0.0, 0.0, 0.5, 1.0]})(job)
    first, second = done(job), done(job)
    assert len(worked) == 1 and np.array_equal(first.edit.mask, second.edit.mask)
    assert np.array_equal(first.edit.image.pixels, second.edit.image.pixels)


def test_the_tool_s_own_mask_and_geometry_come_back(job: Job):
    marks, moves = (with_step(args={name: True})(job) for name in ("marks", "moves"))
    for one in (marks, moves):
        first, second = done(one), done(one)
        assert np.array_equal(first.edit.image.pixels, second.edit.image.pixels)
        assert np.array_equal(first.edit.mask, second.edit.mask) and first.edit.geometry == second.edit.geometry
    assert len(worked) == 2 and (done(marks).edit.mask == 255).any() and done(moves).edit.geometry == MOVED


ONE = Picture(np.zeros((4, 4, 3), np.uint8))
HUM = Sound(np.ones(99, np.float32), 16_000)


@pytest.mark.parametrize(
    "changed",
    [
        with_step(args={"amount": 0.25}),
        with_step(region={"box": [0.0, 0.0, 0.5, 0.5]}),
        lambda job: replace(job, seed=8),
        lambda job: replace(job, picture=Picture(job.picture.pixels[::-1].copy())),
        lambda job: replace(job, picture=Picture(np.dstack([job.picture.pixels, job.picture.pixels[..., :1]]))),
        lambda job: replace(job, subjects=(ONE,)),
        lambda job: replace(job, subjects=(LearntSubject(ONE.pixels, b"learnt"),)),
        lambda job: replace(job, latent=torch.ones(1, 4, 5, 8)),
        lambda job: replace(job, sounds=(HUM,)),
        lambda job: replace(job, sounds=(Sound(HUM.samples, 8000),)),
    ],
    ids=[
        "arguments",
        "region",
        "seed",
        "pixels",
        "mode",
        "other picture",
        "what was learnt",
        "latent",
        "sound",
        "rate",
    ],
)
def test_another_step_is_worked(job: Job, changed):
    done(job)
    done(replace(job, subjects=(ONE, ONE)))
    for other in (Sound(-HUM.samples, 16_000), Sound(HUM.samples, 4000)):
        done(replace(job, sounds=(other,)))
    done(replace(job, subjects=(LearntSubject(ONE.pixels, b"otherwise"),)))
    worked.clear()
    done(changed(job))
    done(changed(job))
    assert len(worked) == 1


def test_other_weights_are_other_work(job: Job, tmp_path: Path):
    from tools import adding

    done(job)
    adding.add(job.shelf, tiny.stable_diffusion(tmp_path / "sd"), "text-to-image")
    done(job)
    adding.add(job.shelf, tiny.stable_diffusion(tmp_path / "other", seed=5), "text-to-image")
    done(job)
    done(job)
    assert len(worked) == 3


def test_another_version_of_a_tool_or_of_the_numerics_is_other_work(job: Job, monkeypatch):
    done(job)
    monkeypatch.setattr(caches, "NUMERICS", caches.NUMERICS + 1)
    done(job)
    newer = replace(shade, version="2")
    monkeypatch.setattr(registry, "registered", lambda: {"shade": newer})
    done(job)
    assert len(worked) == 3


def test_another_tool_is_other_work(job: Job, monkeypatch):
    monkeypatch.setattr(registry, "registered", lambda: {"shade": shade, "dim": replace(shade, name="dim")})
    done(job)
    done(with_step(tool="dim")(job))
    assert len(worked) == 2


@pytest.mark.parametrize("what, other", [("best", torch.device("meta")), ("precision", torch.float16)])
def test_another_device_or_precision_is_other_work(job: Job, monkeypatch, what, other):
    done(job)
    monkeypatch.setattr(devices, what, lambda *_: other)
    done(job)
    assert len(worked) == 2


def test_what_a_strange_picture_came_to_answers_for_a_familiar_one_and_not_the_other_way_round(job: Job):
    done(replace(job, familiar=True))
    done(job)
    done(replace(job, familiar=True, seed=8))
    done(replace(job, seed=8))
    done(replace(job, familiar=True, seed=8))
    assert len(worked) == 4


def test_what_needs_a_question_asks_it_until_somebody_has_answered(job: Job):
    job = with_step(args={"doubtful": True})(job)
    confirmed = with_step(confirmed=True)(job)
    done(confirmed)
    done(confirmed)
    assert len(worked) == 1
    with pytest.raises(Unsure):
        done(job)


def test_what_was_done_without_a_question_answers_a_confirmed_step(job: Job):
    done(job)
    done(with_step(confirmed=True)(job))
    assert len(worked) == 1


DAMAGED = {
    "a byte": lambda whole, _: whole[:-1] + b"?",
    "cut off": lambda whole, _: whole[: len(whole) // 2],
    "empty": lambda *_: b"",
    "another step's": lambda _, other: other,
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_worked_anew(job: Job, damaged):
    first = done(job)
    [path] = job.shelf.cache.folder.iterdir()
    whole = path.read_bytes()
    done(replace(job, seed=8, picture=ONE))
    [other] = {one.read_bytes() for one in job.shelf.cache.folder.iterdir()} - {whole}
    path.write_bytes(damaged(whole, other))
    assert np.array_equal(done(job).edit.image.pixels, first.edit.image.pixels) and len(worked) == 3
    assert done(job).facts["repeated"]


def test_a_step_that_was_stopped_leaves_nothing(job: Job):
    going = work(0, job)
    next(going), next(going)
    going.close()
    done(job)
    assert len(worked) == 2


def test_weights_that_come_first_again_are_not_those_that_came_first_since(job: Job, tmp_path: Path):
    from tools import adding

    one, other = tiny.stable_diffusion(tmp_path / "one"), tiny.stable_diffusion(tmp_path / "other", seed=5)
    adding.add(job.shelf, one, "text-to-image")
    adding.add(job.shelf, other, "text-to-image")
    done(job)
    adding.add(job.shelf, one, "text-to-image")
    done(job)
    assert len(worked) == 2


def test_what_was_worked_while_the_weights_changed_is_kept_under_neither(job: Job, tmp_path: Path):
    from tools import adding

    going = work(0, job)
    next(going), next(going)
    adding.add(job.shelf, tiny.stable_diffusion(tmp_path / "sd"), "text-to-image")
    for _ in going:
        pass
    done(job)
    assert len(worked) == 2
    job.shelf.register.unlink()
    done(job)
    assert len(worked) == 3
