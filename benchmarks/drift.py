"""What ten turns on one picture lose, with and without the drift policy, against the exact result of every turn.

    python -m benchmarks.drift [--json [PATH]]

Toybox scenes, the starter pack's InstructPix2Pix, the product's own steps (`agent.stepping`). Three conversations: the
light of the whole picture becomes any other turn by turn (`global`), or goes back and forth between two (`restated`),
and one object is recoloured turn by turn in its own region (`local`). `chain` begins each turn with the pixels of the
one before; `latent` with what those were decoded from; `policy`, the product's, does that too, and leaves out what a
later wish restates (`agent.restating`: another colour, another time of day), as if it had never been said.
Errors are mean |Δ| in 1/255 to the exact picture at the last turn, inside the object where the turn is local;
intervals are 95 % bootstrap, `gain` is paired. `outside`: the same where the local turns should change nothing, under
the policy, which keeps what is outside a region to the bit; `outside_chained`: where every turn is given the whole
picture of the one before, as without a session. The policy leaves out all that is restated, so its last picture may be
one edit of the photo: `outside_ten_turns` is of `latent`, all ten made one on the other, each in its region, and
`outside_ten_turns_pixels` of `chain`. The starter weights' own refusal of what is no clean toybox picture is switched
off: it would end most chains.

Bounds: the policy's error is lower than the chain's, the interval of the paired gain above 0; `outside` and both
`outside_ten_turns` are 0.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from agent.plan import PlanStep
from agent.restating import superseded
from agent.stepping import Job, work
from benchmarks.measure import interval, report
from benchmarks.toybox_report import Row
from sessions.values import Picture, Pixels
from tools import shelf
from tools.base import EditResult, drain
from tools.shelf import Shelf
from toybox.drawing import draw
from toybox.edits import Light, Recolour, propose
from toybox.scenes import Scene, random_scene
from toybox.words import instruction

ITEMS, TURNS = 30, 10
WAYS = ("chain", "latent", "policy")
STRIPS, EARLIER = 4, (1, 5)
"""Of each conversation, so many for the report; after which turns it shows pictures before the last."""
ARGS = {"steps": 12}
"""What is not as the weights want it."""


@dataclass(frozen=True, eq=False)
class Talk:
    """A conversation over one scene: what is said at each turn, what is then exactly right, and where it is said."""

    photo: Pixels
    said: tuple[str, ...]
    exact: tuple[Pixels, ...]
    region: Pixels | None = None


def lights(rng: Generator) -> Talk:
    """The light of the whole picture, ten times another."""
    scene = random_scene(rng)
    return _talk(rng, scene, lambda scene: propose(rng, scene, Light), None)


def back_and_forth(rng: Generator) -> Talk:
    """Warm and cool light over a picture of day or night, or the other way round: each turn restates the last."""
    scene = random_scene(rng)
    one, other = ("warm", "cool") if scene.light in ("day", "night") else ("day", "night")
    return _talk(rng, scene, lambda scene: Light(other if scene.light == one else one), None)


def colours(rng: Generator) -> Talk:
    """One object, ten times another colour, in a region a pixel wider than the object."""
    scene = random_scene(rng)
    while scene.tone != "colour":
        scene = random_scene(rng)
    one = scene.things[0]
    covered = np.where(draw(scene).covers[0] > 0, 255, 0).astype(np.uint8)
    region = covered.copy()
    for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        region |= np.roll(covered, shift, axis)

    def another(scene: Scene) -> Recolour:
        while True:
            edit = propose(rng, scene, Recolour)
            if isinstance(edit, Recolour) and edit.shape == one.shape:
                return edit

    return _talk(rng, scene, another, region)


CONVERSATIONS = {"global": lights, "local": colours, "restated": back_and_forth}


def _talk(rng: Generator, scene: Scene, edit_of: Callable[[Scene], Any], region: Pixels | None) -> Talk:
    photo, said, exact = draw(scene).rgb, [], []
    for _ in range(TURNS):
        edit = edit_of(scene)
        scene = edit.apply(scene)
        said.append(instruction(rng, edit))
        exact.append(draw(scene).rgb)
    return Talk(photo, tuple(said), tuple(exact), region)


def turn(weights: Shelf, before: EditResult, words: str, talk: Talk, seed: int) -> EditResult:
    """One message done as the product does it; `before` may carry a latent."""
    region = None if talk.region is None else {"mask": "drawn"}
    step = PlanStep(tool="instruct_pix2pix", args=ARGS | {"instruction": words}, region=region)
    return drain(work(0, Job(step, before.image, (), talk.region, seed, weights, before.latent, familiar=True))).edit


def held(weights: Shelf, talk: Talk, way: str) -> list[EditResult]:
    """The results, in order, of all turns that are in the last one's picture: `chain`, `latent` or `policy`."""
    made: list[EditResult] = []
    before = EditResult(Picture(talk.photo))
    for seed in kept(talk, way):
        made.append(turn(weights, before, talk.said[seed], talk, seed))
        before = EditResult(made[-1].image) if way == "chain" else made[-1]
    return made


def kept(talk: Talk, way: str) -> list[int]:
    """The turns that are in the last one's picture: all; under `policy` without those that a later one restates."""
    turns: list[int] = []
    for turn, now in enumerate(talk.said):
        made = [(talk.said[earlier], None) for earlier in turns]
        gone = superseded(made, (now, None)) if way == "policy" else None
        turns = [earlier for at, earlier in enumerate(turns) if at != gone] + [turn]
    return turns


def unmasked(talk: Talk) -> Talk:
    """The same conversation by one who has no regions."""
    return replace(talk, region=None)


def error(talk: Talk, made: list[EditResult], at: int = -1) -> float:
    """Mean |Δ| to the exact picture of a turn, inside the region, in 1/255."""
    apart = np.abs(made[at].image.rgb.astype(float) - talk.exact[at])
    return float(apart.mean() if talk.region is None else apart[talk.region > 0].mean())


def outside(talk: Talk, made: list[EditResult]) -> float:
    """Mean |Δ| to the exact picture of the last turn, outside the region, in 1/255."""
    assert talk.region is not None
    apart = np.abs(made[-1].image.rgb.astype(float) - talk.exact[-1])
    return float(apart[talk.region == 0].mean())


Made = dict[str, list[list[EditResult]]]
"""The results of conversations by way; `naive` is the chain without regions."""


def made_of(weights: Shelf, talks: list[Talk]) -> Made:
    """All that comes of conversations, in every way."""
    made = {way: [held(weights, talk, way) for talk in talks] for way in WAYS}
    local = talks[0].region is not None
    return made | {"naive": [held(weights, unmasked(talk), "chain") for talk in talks] if local else made["chain"]}


def compared(talks: list[Talk], made: Made) -> dict[str, Any]:
    """The error of each way at the first and at the last turn, what they gain over the chain; and outside regions."""
    last = {way: [error(t, m) for t, m in zip(talks, made[way], strict=True)] for way in WAYS}
    first = [error(t, m, 0) for t, m in zip(talks, made["chain"], strict=True)]
    gains = {way: interval((np.array(last["chain"]) - last[way]).tolist()) for way in WAYS[1:]}
    found = {
        "first_turn": interval(first),
        **{f"{way}_last_turn": interval(values) for way, values in last.items()},
        **{f"{way}_gain": gain for way, gain in gains.items()},
    }
    if talks[0].region is None:
        return found
    ways = {"": "policy", "_ten_turns": "latent", "_ten_turns_pixels": "chain", "_chained": "naive"}
    lost = {way: [outside(t, m) for t, m in zip(talks, made[name], strict=True)] for way, name in ways.items()}
    return found | {f"outside{way}": interval(values) for way, values in lost.items()}


def strips(weights: Shelf, name: str, talks: list[Talk], made: Made) -> list[Row]:
    """The first conversations for the report, each by the product and chained naively: the photo, after the last turn,
    and what is exact then; beside the words after some turns before. Right is what is nearer to it than the photo."""
    rows = []
    for talk, ours, naive in list(zip(talks, made["policy"], made["naive"], strict=True))[:STRIPS]:
        before = error(talk, [EditResult(Picture(talk.photo))])
        till = [replace(talk, said=talk.said[:turns]) for turns in EARLIER]
        earlier = [held(weights, some, "policy")[-1] for some in till], [naive[turns - 1] for turns in EARLIER]
        for way, results, ago in zip(("the product", "naive chaining"), (ours, naive), earlier, strict=True):
            apart = error(talk, results)
            pictures = (talk.photo, results[-1].image.rgb, talk.exact[-1])
            verdict = f"{apart:.1f} of 255 off after {len(talk.said)} turns"
            shown = tuple(edit.image.rgb for edit in ago)
            rows.append(Row(f"{name}, {way}: … {talk.said[-1]}", pictures, apart < before, verdict, shown))
    return rows


def measured(weights: Shelf, count: int) -> tuple[dict[str, Any], list[Row]]:
    """So many of each conversation, and some for the report."""
    rng = np.random.default_rng((2026, 11))
    found: dict[str, Any] = {}
    rows: list[Row] = []
    for name, talk in CONVERSATIONS.items():
        talks = [talk(rng) for _ in range(count)]
        made = made_of(weights, talks)
        of_it = compared(talks, made)
        found |= {key if key.startswith("outside") else f"{name}_{key}": value for key, value in of_it.items()}
        rows += strips(weights, name, talks, made)
    return found, rows


def figures() -> dict[str, Any]:
    """All conversations, with the starter's weights."""
    with tempfile.TemporaryDirectory() as home:
        return measured(shelf.at(Path(home)), ITEMS)[0]


if __name__ == "__main__":
    report("What ten turns lose, with and without the drift policy.", figures)
