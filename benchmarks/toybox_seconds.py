"""What a whole edit takes, tool by tool: median seconds of the product's own step, as the weights want it.

Part of `python -m benchmarks.toybox`, beside a plan's seconds. Every picture is a new one, since
a step that was worked before is only looked up; the first edit, which loads the weights, does not count. What comes of
the edits is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.plan import PlanStep
from agent.stepping import Job, work
from benchmarks import analogist, any2pix, blip_diffusion, world
from benchmarks.measure import middle, seconds
from benchmarks.toybox_masks import SWAPS
from benchmarks.world import Figures
from sessions.values import Picture
from tools.base import drain
from tools.registry import get
from tools.shelf import Shelf
from toybox.words import caption

FEW, SEED = 5, 9
"""Edits of a tool that are timed, at most; and what they are drawn from."""


def instructions(count: int) -> list[Job]:
    """Any edit that words tell of."""
    return [
        Job(step("instruct_pix2pix", instruction=one.said), Picture(one.before.rgb.copy()))
        for one in world.items(count, SEED)
    ]


def diffedits(count: int) -> list[Job]:
    """One attribute of one thing is another in the query than in the reference."""
    return [
        Job(
            step("diffedit", query=caption(one.edit.apply(one.scene)), reference=caption(one.scene)),
            Picture(one.before.rgb.copy()),
        )
        for one in world.items(count, SEED, SWAPS)
    ]


def analogies(count: int) -> list[Job]:
    """A thing is recoloured as in an example."""
    return [
        Job(step("analogist", prompt=caption(one.scene)), one.context.image, one.context.subjects)
        for one in analogist.items("recolour", count, SEED)
    ]


def subjects(count: int) -> list[Job]:
    """A subject drawn anew before another background."""
    return [
        Job(
            step("blip_diffusion", category=one.thing.shape, prompt=one.prompt),
            one.reference,
            (Picture(one.reference.rgb.copy()),),
        )
        for one in blip_diffusion.items(count, SEED)
    ]


def sounds(count: int) -> list[Job]:
    """A picture shaped by a sound."""
    return [Job(step("any2pix"), Picture(one.picture), sounds=(one.heard,)) for one in any2pix.items(count, SEED)]


JOBS: Mapping[str, Callable[[int], list[Job]]] = {
    "instruct_pix2pix": instructions,
    "diffedit": diffedits,
    "analogist": analogies,
    "blip_diffusion": subjects,
    "any2pix": sounds,
}
"""Tool → so many edits of it."""


def step(tool: str, **args: str) -> PlanStep:
    """A step as it is after a person has said yes to it."""
    return PlanStep(tool=tool, args=args, confirmed=True)


def cost(tool: str, weights: Shelf, count: int) -> Figures:
    """`edit_s_TOOL`: the median seconds of so many edits, a few at most. MissingWeights where its weights are not
    there."""
    weights.require(get(tool).weights)
    taken = []
    for seed, job in enumerate(JOBS[tool](min(count, FEW) + 1)):
        whole = replace(job, seed=seed, shelf=weights, familiar=True)
        taken.append(seconds(lambda whole=whole: drain(work(0, whole))))  # type: ignore[misc]
    median, *between = middle(taken[1:])
    return {f"edit_s_{tool}": median, f"edit_s_{tool}_ci": between}
