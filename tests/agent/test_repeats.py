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
from tools import caches, registry
from tools.base import Edit, EditContext, EditResult, Progress, ToolArgs, tool

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
worked: list[float] = []


class ShadeArgs(ToolArgs):
    amount: float = Field(default=0.5, ge=0, le=1)
    doubtful: bool = False


@tool("shade", args=ShadeArgs, region="optional", subjects=(0, 8), weights=("text-to-image",))
def shade(ctx: EditContext, args: ShadeArgs) -> Edit:
    """Make a picture darker."""
    worked.append(args.amount)
    if args.doubtful and not ctx.confirmed:
        raise Unsure("Is this it?", "Say yes.", 0.3)
    yield Progress(0.5)
    pixels = (ctx.image.pixels * args.amount).astype(np.uint8)
    return EditResult(Picture(pixels), facts={"amount": args.amount}, latent=torch.full((1, 4, 2, 2), args.amount))


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


ONE = Picture(np.zeros((4, 4, 3), np.uint8))


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
    ],
    ids=["arguments", "region", "seed", "pixels", "mode", "other picture", "what was learnt", "latent"],
)
def test_another_step_is_worked(job: Job, changed):
    done(job)
    done(replace(job, subjects=(ONE, ONE)))
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


def test_a_damaged_file_is_worked_anew(job: Job):
    first = done(job)
    for path in job.shelf.cache.folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert np.array_equal(done(job).edit.image.pixels, first.edit.image.pixels) and len(worked) == 2


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
